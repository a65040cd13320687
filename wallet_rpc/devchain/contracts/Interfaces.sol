// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

// The interfaces that accounts, modules and EntryPoint share. Their ERC-165 ids are the exclusive or of
// the interface's own functions, so no interface here inherits another one's functions into its id.

/// ERC-4337 v0.7: one operation as EntryPoint passes it on.
struct PackedUserOperation {
    address sender;
    uint256 nonce;
    bytes initCode;
    bytes callData;
    bytes32 accountGasLimits; // verificationGasLimit u128 | callGasLimit u128
    uint256 preVerificationGas;
    bytes32 gasFees; // maxPriorityFeePerGas u128 | maxFeePerGas u128
    bytes paymasterAndData; // paymaster(20) | verification gas u128 | postOp gas u128 | data
    bytes signature;
}

/// One element of executeBatch.
struct Call {
    address target;
    uint256 value;
    bytes data;
}

/// The result of getValidationData; all lists in installation order.
struct ValidationDataView {
    uint8 flags;
    bytes25[] validationHooks;
    bytes25[] executionHooks;
    bytes4[] selectors;
}

/// The result of getExecutionData.
struct ExecutionDataView {
    address module;
    bool skipRuntimeValidation;
    bool allowGlobalValidation;
    bytes25[] executionHooks;
}

/// ERC-6900: the functions that an execution module would add to an account.
struct ManifestFunction {
    bytes4 selector;
    bool skipRuntimeValidation;
    bool allowGlobalValidation;
}

struct ManifestHook {
    bytes4 selector;
    uint32 entityId;
    bool isPreHook;
    bool isPostHook;
}

struct ExecutionManifest {
    ManifestFunction[] functions;
    ManifestHook[] hooks;
    bytes4[] interfaceIds;
}

interface IERC165 {
    function supportsInterface(bytes4 interfaceId) external view returns (bool);
}

interface IERC1271 {
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4);
}

interface IModule {
    function onInstall(bytes calldata data) external;
    function onUninstall(bytes calldata data) external;
    function moduleId() external view returns (string memory);
}

interface IValidationModule {
    function validateUserOp(uint32 entityId, PackedUserOperation calldata op, bytes32 opHash)
        external
        returns (uint256 validationData);
    function validateRuntime(
        address account,
        uint32 entityId,
        address sender,
        uint256 value,
        bytes calldata data,
        bytes calldata authorization
    ) external;
    function validateSignature(
        address account,
        uint32 entityId,
        address sender,
        bytes32 hash,
        bytes calldata signature
    ) external view returns (bytes4);
}

interface IValidationHookModule {
    function preUserOpValidationHook(uint32 entityId, PackedUserOperation calldata op, bytes32 opHash)
        external
        returns (uint256 validationData);
    function preRuntimeValidationHook(
        uint32 entityId,
        address sender,
        uint256 value,
        bytes calldata data,
        bytes calldata authorization
    ) external;
    function preSignatureValidationHook(uint32 entityId, address sender, bytes32 hash, bytes calldata signature)
        external
        view;
}

interface IExecutionHookModule {
    function preExecutionHook(uint32 entityId, address sender, uint256 value, bytes calldata data)
        external
        returns (bytes memory preHookData);
    function postExecutionHook(uint32 entityId, bytes calldata preHookData) external;
}

interface IERC721Receiver {
    function onERC721Received(address operator, address from, uint256 tokenId, bytes calldata data)
        external
        returns (bytes4);
}

interface IERC1155Receiver {
    function onERC1155Received(address operator, address from, uint256 id, uint256 value, bytes calldata data)
        external
        returns (bytes4);
    function onERC1155BatchReceived(
        address operator,
        address from,
        uint256[] calldata ids,
        uint256[] calldata values,
        bytes calldata data
    ) external returns (bytes4);
}

/// The functions of EntryPoint v0.7 that the factory and the paymaster forward to.
interface IEntryPoint {
    function depositTo(address account) external payable;
    function withdrawTo(address payable to, uint256 value) external;
    function addStake(uint32 unstakeDelaySeconds) external payable;
    function unlockStake() external;
    function withdrawStake(address payable to) external;
    function balanceOf(address account) external view returns (uint256);
}

/// The functions of a token that the token paymaster calls.
interface IERC20 {
    function transfer(address to, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}

/// ERC-7597: a permit whose signature is bytes, for owners that are contracts.
interface IPermit {
    function permit(address owner, address spender, uint256 value, uint256 deadline, bytes calldata signature)
        external;
}
