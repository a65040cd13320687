// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ENTRY_POINT} from "./Addresses.sol";
import {IERC20, IPermit, PackedUserOperation} from "./Interfaces.sol";
import {Signatures} from "./Signatures.sol";
import {ValidationData} from "./ValidationData.sol";
import {VerifyingPaymaster} from "./VerifyingPaymaster.sol";

/// A paymaster that is paid in a token: as the VerifyingPaymaster, but its signer also sets the price.
/// paymasterData = validUntil u48 | validAfter u48 | terms | ECDSA signature r(32) | s(32) | v(1);
/// terms = mode u8 | last gas u32 | token(20) | rate u256 | most u256
///         [| value u256 | deadline u256 | the account's signature].
/// The rate is in the token's smallest units for 10^18 wei; the last gas is the price of postOp. The signature is
/// over the personal message of keccak(abi(sponsorshipHash, keccak(terms))). `most` is the maximum charge.
/// Only EntryPoint's context is stored between the two steps, so a reentrant token finds nothing to use.
contract TokenPaymaster is VerifyingPaymaster {
    /// AFTER: the cost is charged after the calls. BEFORE: `most` is charged before them and the rest refunded.
    /// BEFORE_WITH_PERMIT: the same, by an allowance that the account signed (ERC-7597).
    enum Mode {
        AFTER,
        BEFORE,
        BEFORE_WITH_PERMIT
    }

    /// The values known before the calls. `gasBefore` is at least EntryPoint's gas count until then.
    struct Charge {
        address payer;
        address token;
        uint256 rate;
        uint256 most;
        bool isTaken;
        uint256 gasBefore;
        uint256 executionGas;
        uint256 lastGas;
    }

    uint256 private constant TERMS_OFFSET = 12;
    uint256 private constant TERMS_LENGTH = 89;
    uint256 private constant PERMIT_LENGTH = 64;
    uint256 private constant SIGNATURE_LENGTH = 65;
    uint256 private constant ONE_COIN = 1e18;
    /// EntryPoint's penalty is the unused execution gas divided by this.
    uint256 private constant PENALTY_DIVISOR = 10;
    /// The gas that EntryPoint itself spends around postOp; no limit covers it.
    uint256 private constant AROUND_POST_OP_GAS = 3_000;

    event GasPaid(address indexed payer, address indexed token, uint256 value, uint256 rate);

    error TokenCallFailed(address token, bytes reason);

    /// A wrong signature runs all other steps too, so that gas can be estimated with a dummy; EntryPoint reverts them.
    function validatePaymasterUserOp(PackedUserOperation calldata op, bytes32, uint256)
        external
        override
        returns (bytes memory context, uint256 validationData)
    {
        if (msg.sender != ENTRY_POINT) revert NotEntryPoint();
        bytes calldata data = op.paymasterAndData[DATA_OFFSET:];
        if (!_isWellFormed(data)) return (context, ValidationData.SIGNATURE_FAILED);
        bytes calldata terms = data[TERMS_OFFSET:data.length - SIGNATURE_LENGTH];
        context = abi.encode(_prepared(op, terms));
        uint48 validUntil = uint48(bytes6(data[:6]));
        uint48 validAfter = uint48(bytes6(data[6:12]));
        bytes32 digest = Signatures.personalMessage(
            keccak256(abi.encode(sponsorshipHash(op, validUntil, validAfter), keccak256(terms)))
        );
        bool isSigned = Signatures.matchesKey(signer, digest, data[data.length - SIGNATURE_LENGTH:]);
        validationData = ValidationData.pack(isSigned ? 0 : 1, validUntil, validAfter);
    }

    /// Charges the cost, or refunds the excess; also when the calls have reverted.
    function postOp(uint8, bytes calldata context, uint256 gasCost, uint256 fee) external {
        if (msg.sender != ENTRY_POINT) revert NotEntryPoint();
        Charge memory charge = abi.decode(context, (Charge));
        uint256 cost = _tokens(_wholeCost(charge, gasCost, fee), charge.rate);
        if (cost > charge.most) cost = charge.most;
        if (charge.isTaken) {
            _call(charge.token, abi.encodeCall(IERC20.transfer, (charge.payer, charge.most - cost)));
        } else {
            _call(charge.token, abi.encodeCall(IERC20.transferFrom, (charge.payer, address(this), cost)));
        }
        emit GasPaid(charge.payer, charge.token, cost, charge.rate);
    }

    function withdrawToken(address token, address to, uint256 value) external onlyOwner {
        _call(token, abi.encodeCall(IERC20.transfer, (to, value)));
    }

    function _isWellFormed(bytes calldata data) private pure returns (bool) {
        uint256 least = TERMS_OFFSET + TERMS_LENGTH + SIGNATURE_LENGTH;
        if (data.length < least) return false;
        uint8 mode = uint8(data[TERMS_OFFSET]);
        if (mode == uint8(Mode.BEFORE_WITH_PERMIT)) return data.length >= least + PERMIT_LENGTH;
        return mode < uint8(Mode.BEFORE_WITH_PERMIT) && data.length == least;
    }

    function _prepared(PackedUserOperation calldata op, bytes calldata terms) private returns (Charge memory charge) {
        Mode mode = Mode(uint8(terms[0]));
        uint256 accountGas = uint256(op.accountGasLimits);
        uint256 paymasterGas = uint256(bytes32(op.paymasterAndData[GAS_LIMITS_OFFSET:DATA_OFFSET]));
        charge = Charge({
            payer: op.sender,
            token: address(bytes20(terms[5:25])),
            rate: uint256(bytes32(terms[25:57])),
            most: uint256(bytes32(terms[57:89])),
            isTaken: mode != Mode.AFTER,
            gasBefore: op.preVerificationGas + (accountGas >> 128) + (paymasterGas >> 128),
            executionGas: uint256(uint128(accountGas)) + uint128(paymasterGas),
            lastGas: uint32(bytes4(terms[1:5]))
        });
        if (mode == Mode.AFTER) return charge;
        if (mode == Mode.BEFORE_WITH_PERMIT) _permit(charge, terms[TERMS_LENGTH:]);
        _call(charge.token, abi.encodeCall(IERC20.transferFrom, (charge.payer, address(this), charge.most)));
    }

    /// A failing permit may have been used by someone else, which leaves the allowance; else the transfer fails.
    function _permit(Charge memory charge, bytes calldata signed) private {
        uint256 value = uint256(bytes32(signed[:32]));
        uint256 deadline = uint256(bytes32(signed[32:64]));
        bytes memory made =
            abi.encodeCall(IPermit.permit, (charge.payer, address(this), value, deadline, signed[PERMIT_LENGTH:]));
        (bool ok,) = charge.token.call(made);
        ok;
    }

    /// Computes EntryPoint's charge to the deposit: the cost so far, this step at its declared gas, and the penalty
    /// on unused gas. The gas used by the calls is known except for the slack of the limits before them, which is
    /// rounded against the payer.
    function _wholeCost(Charge memory charge, uint256 gasCost, uint256 fee) private pure returns (uint256) {
        if (fee == 0) return gasCost;
        uint256 used = gasCost / fee + charge.lastGas;
        uint256 limits = charge.gasBefore + charge.executionGas;
        uint256 unused = limits > used ? limits - used : 0;
        if (unused > charge.executionGas) unused = charge.executionGas;
        return gasCost + (charge.lastGas + unused / PENALTY_DIVISOR + AROUND_POST_OP_GAS) * fee;
    }

    /// Rounded up.
    function _tokens(uint256 cost, uint256 rate) private pure returns (uint256) {
        return (cost * rate + ONE_COIN - 1) / ONE_COIN;
    }

    /// Tokens return true, or nothing.
    function _call(address token, bytes memory data) private {
        (bool ok, bytes memory answer) = token.call(data);
        bool isFine = answer.length == 0 ? token.code.length != 0 : answer.length >= 32 && uint256(bytes32(answer)) == 1;
        if (!ok || !isFine) revert TokenCallFailed(token, answer);
    }
}
