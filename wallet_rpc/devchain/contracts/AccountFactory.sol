// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {NotIncluded} from "./AccountErrors.sol";
import {
    ENTRY_POINT as ENTRY_POINT_ADDRESS,
    MODULAR_ACCOUNT,
    SEMI_MODULAR_ACCOUNT_BYTECODE,
    SINGLE_SIGNER_MODULE,
    WEBAUTHN_MODULE
} from "./Addresses.sol";
import {IEntryPoint} from "./Interfaces.sol";

/// Creates accounts at addresses derived from their owner and a salt (CREATE2), and has a stake in EntryPoint.
/// It creates only the semi-modular kind; the address functions exist for all three kinds.
contract AccountFactory {
    address public constant ENTRY_POINT = ENTRY_POINT_ADDRESS;
    address public constant ACCOUNT_IMPL = MODULAR_ACCOUNT;
    address public constant SEMI_MODULAR_ACCOUNT_IMPL = SEMI_MODULAR_ACCOUNT_BYTECODE;
    address public constant SINGLE_SIGNER_VALIDATION_MODULE = SINGLE_SIGNER_MODULE;
    address public constant WEBAUTHN_VALIDATION_MODULE = WEBAUTHN_MODULE;

    /// The entity id of the bytecode owner in the salt.
    uint32 private constant SEMI_MODULAR_ENTITY = type(uint32).max;
    bytes private constant PROXY_HEAD = hex"603d3d8160223d3973";
    bytes private constant PROXY_HEAD_WITH_OWNER = hex"6100513d8160233d3973";
    bytes private constant PROXY_TAIL =
        hex"60095155f3363d3d373d3d363d7f360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc545af43d6000803e6038573d6000fd5b3d6000f3";

    address public owner;
    address public pendingOwner;

    event SemiModularAccountDeployed(address indexed account, address indexed owner, uint256 salt);
    event OwnershipTransferStarted(address indexed previousOwner, address indexed newOwner);
    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

    error OwnableUnauthorizedAccount(address account);
    error InvalidAction();
    error TransferFailed();
    error AddressEmptyCode(address target);
    error SafeERC20FailedOperation(address token);
    error FailedInnerCall();

    modifier onlyOwner() {
        if (msg.sender != owner) revert OwnableUnauthorizedAccount(msg.sender);
        _;
    }

    /// Returns an existing account without an event.
    function createSemiModularAccount(address accountOwner, uint256 salt) external returns (address account) {
        bytes memory initCode = _semiModularInitCode(accountOwner);
        bytes32 combinedSalt = getSalt(accountOwner, salt, SEMI_MODULAR_ENTITY);
        account = _predict(combinedSalt, initCode);
        if (account.code.length != 0) return account;
        assembly ("memory-safe") {
            account := create2(0, add(initCode, 32), mload(initCode), combinedSalt)
        }
        emit SemiModularAccountDeployed(account, accountOwner, salt);
    }

    function createAccount(address, uint256, uint32) external pure returns (address) {
        revert NotIncluded(msg.sig);
    }

    function createWebAuthnAccount(uint256, uint256, uint256, uint32) external pure returns (address) {
        revert NotIncluded(msg.sig);
    }

    function transferOwnership(address newOwner) external onlyOwner {
        pendingOwner = newOwner;
        emit OwnershipTransferStarted(owner, newOwner);
    }

    function acceptOwnership() external {
        if (msg.sender != pendingOwner) revert OwnableUnauthorizedAccount(msg.sender);
        delete pendingOwner;
        emit OwnershipTransferred(owner, msg.sender);
        owner = msg.sender;
    }

    /// Prevents a stake without an owner.
    function renounceOwnership() external view onlyOwner {
        revert InvalidAction();
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

    /// Token 0 is ether: the whole balance is sent, whatever the amount.
    function withdraw(address payable to, address token, uint256 amount) external onlyOwner {
        if (token == address(0)) {
            (bool sent,) = to.call{value: address(this).balance}("");
            if (!sent) revert TransferFailed();
            return;
        }
        _transferToken(token, to, amount);
    }

    function getAddressSemiModular(address accountOwner, uint256 salt) external view returns (address) {
        return _predict(getSalt(accountOwner, salt, SEMI_MODULAR_ENTITY), _semiModularInitCode(accountOwner));
    }

    function getAddress(address accountOwner, uint256 salt, uint32 entityId) external view returns (address) {
        return _predict(getSalt(accountOwner, salt, entityId), _modularInitCode());
    }

    function getAddressWebAuthn(uint256 ownerX, uint256 ownerY, uint256 salt, uint32 entityId)
        external
        view
        returns (address)
    {
        return _predict(getSaltWebAuthn(ownerX, ownerY, salt, entityId), _modularInitCode());
    }

    function getSalt(address accountOwner, uint256 salt, uint32 entityId) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(accountOwner, salt, entityId));
    }

    function getSaltWebAuthn(uint256 ownerX, uint256 ownerY, uint256 salt, uint32 entityId)
        public
        pure
        returns (bytes32)
    {
        return keccak256(abi.encodePacked(ownerX, ownerY, salt, entityId));
    }

    /// A minimal ERC-1967 proxy, followed by its owner's address as data.
    function _semiModularInitCode(address accountOwner) private pure returns (bytes memory) {
        return abi.encodePacked(PROXY_HEAD_WITH_OWNER, SEMI_MODULAR_ACCOUNT_BYTECODE, PROXY_TAIL, accountOwner);
    }

    function _modularInitCode() private pure returns (bytes memory) {
        return abi.encodePacked(PROXY_HEAD, MODULAR_ACCOUNT, PROXY_TAIL);
    }

    function _predict(bytes32 combinedSalt, bytes memory initCode) private view returns (address) {
        bytes memory preimage = abi.encodePacked(hex"ff", address(this), combinedSalt, keccak256(initCode));
        return address(uint160(uint256(keccak256(preimage))));
    }

    /// Tokens return true, or nothing.
    function _transferToken(address token, address to, uint256 amount) private {
        (bool ok, bytes memory answer) =
            token.call(abi.encodeWithSignature("transfer(address,uint256)", to, amount));
        if (!ok && answer.length == 0) revert FailedInnerCall();
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
        if (answer.length == 0 && token.code.length == 0) revert AddressEmptyCode(token);
        if (answer.length != 0 && !abi.decode(answer, (bool))) revert SafeERC20FailedOperation(token);
    }
}
