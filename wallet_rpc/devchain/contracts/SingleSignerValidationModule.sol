// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC1271, IValidationModule, PackedUserOperation} from "./Interfaces.sol";
import {Module} from "./Module.sol";
import {Signatures} from "./Signatures.sol";
import {ValidationData} from "./ValidationData.sol";

/// Validation by one signer: a key or a contract.
contract SingleSignerValidationModule is Module, IValidationModule {
    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(uint256 chainId,address verifyingContract,bytes32 salt)");

    mapping(uint32 entityId => mapping(address account => address)) public signers;

    /// Three topics and no signature topic.
    event SignerTransferred(
        address indexed account, uint32 indexed entityId, address indexed newSigner, address previousSigner
    ) anonymous;

    error NotAuthorized();

    /// data: abi(uint32 entityId, address signer). Any signer is accepted, 0 included, which never matches.
    function onInstall(bytes calldata data) external {
        (uint32 entityId, address signer) = abi.decode(data, (uint32, address));
        _transferSigner(entityId, signer);
    }

    /// data: abi(uint32 entityId)
    function onUninstall(bytes calldata data) external {
        _transferSigner(abi.decode(data, (uint32)), address(0));
    }

    function transferSigner(uint32 entityId, address newSigner) external {
        _transferSigner(entityId, newSigner);
    }

    function validateUserOp(uint32 entityId, PackedUserOperation calldata op, bytes32 opHash)
        external
        view
        returns (uint256)
    {
        address signer = signers[entityId][op.sender];
        bool isSigned = Signatures.matches(signer, Signatures.personalMessage(opHash), op.signature);
        return isSigned ? 0 : ValidationData.SIGNATURE_FAILED;
    }

    /// The caller must be the signer; nothing else is checked.
    function validateRuntime(
        address account,
        uint32 entityId,
        address sender,
        uint256,
        bytes calldata,
        bytes calldata
    ) external view {
        if (sender != signers[entityId][account]) revert NotAuthorized();
    }

    function validateSignature(address account, uint32 entityId, address, bytes32 hash, bytes calldata signature)
        external
        view
        returns (bytes4)
    {
        bytes32 digest = replaySafeHash(account, hash);
        bool isSigned = Signatures.matches(signers[entityId][account], digest, signature);
        return isSigned ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    function moduleId() external pure returns (string memory) {
        return "alchemy.single-signer-validation-module.1.0.0";
    }

    /// Bound to this module and, as the domain's salt, to the account.
    function replaySafeHash(address account, bytes32 hash) public view returns (bytes32) {
        bytes32 salt = bytes32(uint256(uint160(account)));
        bytes32 domain = keccak256(abi.encode(DOMAIN_TYPE, block.chainid, address(this), salt));
        return Signatures.replaySafe(domain, hash);
    }

    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IValidationModule).interfaceId || super.supportsInterface(interfaceId);
    }

    function _transferSigner(uint32 entityId, address newSigner) private {
        address previousSigner = signers[entityId][msg.sender];
        signers[entityId][msg.sender] = newSigner;
        emit SignerTransferred(msg.sender, entityId, newSigner, previousSigner);
    }
}
