// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Signatures} from "./Signatures.sol";

/// The development chain's one token: ERC-20 with permit, by EOAs (EIP-2612) and by contracts (ERC-7597).
/// Anyone may mint.
contract TestToken {
    string public constant name = "Test Token";
    string public constant symbol = "TEST";
    string public constant version = "1";
    uint8 public constant decimals = 18;

    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant PERMIT_TYPE =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    uint256 public totalSupply;
    mapping(address owner => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;
    mapping(address owner => uint256) public nonces;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    error InsufficientBalance(uint256 have, uint256 want);
    error InsufficientAllowance(uint256 have, uint256 want);
    error PermitExpired(uint256 deadline);
    error PermitSignerMismatch(address recovered, address owner);
    error PermitSignatureInvalid(address owner);

    function mint(address to, uint256 value) external {
        totalSupply += value;
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    function transfer(address to, uint256 value) external returns (bool) {
        return _transfer(msg.sender, to, value);
    }

    /// An allowance of 2^256 - 1 is not used up.
    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        if (allowed < value) revert InsufficientAllowance(allowed, value);
        if (allowed != type(uint256).max) allowance[from][msg.sender] = allowed - value;
        return _transfer(from, to, value);
    }

    function approve(address spender, uint256 value) external returns (bool) {
        return _approve(msg.sender, spender, value);
    }

    /// Approves by a signature of the owner's key; a block at the deadline itself is still in time.
    function permit(
        address owner,
        address spender,
        uint256 value,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        address recovered = ecrecover(_usePermit(owner, spender, value, deadline), v, r, s);
        if (recovered == address(0) || recovered != owner) revert PermitSignerMismatch(recovered, owner);
        _approve(owner, spender, value);
    }

    /// The same; an owner with code, even a delegation only, is checked by ERC-1271 instead of recovery.
    function permit(address owner, address spender, uint256 value, uint256 deadline, bytes calldata signature)
        external
    {
        bytes32 digest = _usePermit(owner, spender, value, deadline);
        bool isSigned = owner.code.length != 0
            ? Signatures.matchesContract(owner, digest, signature)
            : signature.length == 65 && Signatures.matchesKey(owner, digest, signature);
        if (!isSigned) revert PermitSignatureInvalid(owner);
        _approve(owner, spender, value);
    }

    // The name is fixed by EIP-2612.
    function DOMAIN_SEPARATOR() public view returns (bytes32) {
        return keccak256(
            abi.encode(
                DOMAIN_TYPE, keccak256(bytes(name)), keccak256(bytes(version)), block.chainid, address(this)
            )
        );
    }

    /// Returns the digest of a permit, and uses up its nonce.
    function _usePermit(address owner, address spender, uint256 value, uint256 deadline) private returns (bytes32) {
        if (block.timestamp > deadline) revert PermitExpired(deadline);
        bytes32 structHash = keccak256(abi.encode(PERMIT_TYPE, owner, spender, value, nonces[owner]++, deadline));
        return Signatures.typedData(DOMAIN_SEPARATOR(), structHash);
    }

    function _transfer(address from, address to, uint256 value) private returns (bool) {
        uint256 have = balanceOf[from];
        if (have < value) revert InsufficientBalance(have, value);
        balanceOf[from] = have - value;
        balanceOf[to] += value;
        emit Transfer(from, to, value);
        return true;
    }

    function _approve(address owner, address spender, uint256 value) private returns (bool) {
        allowance[owner][spender] = value;
        emit Approval(owner, spender, value);
        return true;
    }
}
