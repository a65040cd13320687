// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ENTRY_POINT} from "./Addresses.sol";
import {IEntryPoint, PackedUserOperation} from "./Interfaces.sol";
import {Signatures} from "./Signatures.sol";
import {ValidationData} from "./ValidationData.sol";

/// The development chain's paymaster for EntryPoint v0.7: it pays for operations that its signer has signed.
/// paymasterData = validUntil u48 | validAfter u48 | ECDSA signature r(32) | s(32) | v(1).
/// The signature is over the personal message (EIP-191) of `sponsorshipHash`. Owner and signer are in storage,
/// so that the genesis of a chain can set them.
contract VerifyingPaymaster {
    /// Offsets of the two gas limits and of paymasterData in paymasterAndData.
    uint256 internal constant GAS_LIMITS_OFFSET = 20;
    uint256 internal constant DATA_OFFSET = 52;
    uint256 private constant DATA_LENGTH = 77;

    address public owner;
    address public signer;

    event SignerChanged(address indexed newSigner);

    error NotEntryPoint();
    error NotOwner();

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner();
        _;
    }

    receive() external payable {
        deposit();
    }

    /// A signature that is wrong, or data that has another length, is "signature failed" and not a revert, so
    /// that gas can be estimated with a dummy. No context: there is nothing to do after the operation.
    function validatePaymasterUserOp(PackedUserOperation calldata op, bytes32, uint256)
        external
        virtual
        returns (bytes memory context, uint256 validationData)
    {
        if (msg.sender != ENTRY_POINT) revert NotEntryPoint();
        bytes calldata data = op.paymasterAndData[DATA_OFFSET:];
        if (data.length != DATA_LENGTH) return (context, ValidationData.SIGNATURE_FAILED);
        uint48 validUntil = uint48(bytes6(data[:6]));
        uint48 validAfter = uint48(bytes6(data[6:12]));
        bytes32 digest = Signatures.personalMessage(sponsorshipHash(op, validUntil, validAfter));
        bool isSigned = Signatures.matchesKey(signer, digest, data[12:]);
        validationData = ValidationData.pack(isSigned ? 0 : 1, validUntil, validAfter);
    }

    function setSigner(address newSigner) external onlyOwner {
        signer = newSigner;
        emit SignerChanged(newSigner);
    }

    function withdrawTo(address payable to, uint256 value) external onlyOwner {
        IEntryPoint(ENTRY_POINT).withdrawTo(to, value);
    }

    function addStake(uint32 unstakeDelaySeconds) external payable onlyOwner {
        IEntryPoint(ENTRY_POINT).addStake{value: msg.value}(unstakeDelaySeconds);
    }

    function unlockStake() external onlyOwner {
        IEntryPoint(ENTRY_POINT).unlockStake();
    }

    function withdrawStake(address payable to) external onlyOwner {
        IEntryPoint(ENTRY_POINT).withdrawStake(to);
    }

    function getDeposit() external view returns (uint256) {
        return IEntryPoint(ENTRY_POINT).balanceOf(address(this));
    }

    function deposit() public payable {
        IEntryPoint(ENTRY_POINT).depositTo{value: msg.value}(address(this));
    }

    /// Hashes the operation without its signature, and the window in which the sponsorship is valid.
    function sponsorshipHash(PackedUserOperation calldata op, uint48 validUntil, uint48 validAfter)
        public
        view
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                block.chainid,
                address(this),
                op.sender,
                op.nonce,
                keccak256(op.initCode),
                keccak256(op.callData),
                op.accountGasLimits,
                op.preVerificationGas,
                op.gasFees,
                bytes32(op.paymasterAndData[GAS_LIMITS_OFFSET:DATA_OFFSET]),
                validUntil,
                validAfter
            )
        );
    }
}
