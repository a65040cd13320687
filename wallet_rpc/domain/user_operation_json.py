"""The JSON form of a user operation for bundlers and clients: the flat v0.7 object, camelCase, hex.

Decoding groups optional keys into parts. A key of an absent part is rejected, not ignored.
Source: ERC-7769, `eth_sendUserOperation` for EntryPoint v0.7.
"""

from __future__ import annotations

from wallet_rpc.domain.authorization import SignedAuthorization
from wallet_rpc.domain.user_operation import Factory, PaymasterPart, UserOperation
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, ChainId, Data, Gas, Hash32, Nonce, TransactionCount, Uint256, WeiPerGas
from wallet_rpc.wire import shape


@shape
class AuthorizationJson:
    """A signed EIP-7702 authorization; `r` and `s` are 32 bytes each, `yParity` 0 or 1."""

    chain_id: ChainId
    """Chain on which the authorization is valid; 0 is every chain."""
    address: Address
    """Implementation to delegate to; the zero address removes the delegation."""
    nonce: TransactionCount
    """Transaction count of the account, which the authorization uses up."""
    r: Hash32
    """First half of the signature."""
    s: Hash32
    """Second half of the signature, at most half the order of secp256k1."""
    y_parity: Uint256
    """Parity of the curve point, 0 or 1."""

    def to_domain(self, at: str = "") -> SignedAuthorization:
        """Convert to the domain form; `at` is the path prefix of a rejected field.

        Raises: InvalidParams when yParity is neither 0 nor 1.
        """
        if self.y_parity > 1:
            field = f"{at}eip7702Auth.yParity"
            raise InvalidParams(f"expected 0x0 or 0x1, got {self.y_parity:#x}", field=field)
        return SignedAuthorization(
            chain_id=self.chain_id,
            address=self.address,
            nonce=self.nonce,
            r=int.from_bytes(self.r, "big"),
            s=int.from_bytes(self.s, "big"),
            y_parity=self.y_parity,
        )

    @staticmethod
    def from_domain(signed: SignedAuthorization) -> AuthorizationJson:
        """Convert `signed` to the wire form."""
        return AuthorizationJson(
            chain_id=signed.chain_id,
            address=signed.address,
            nonce=signed.nonce,
            r=Hash32(signed.r.to_bytes(32, "big")),
            s=Hash32(signed.s.to_bytes(32, "big")),
            y_parity=signed.y_parity,
        )


@shape
class UserOperationJson:
    """The flat v0.7 object. `signature` is absent until signed; the paymaster's limits default to 0, its data to 0x."""

    sender: Address
    """Account that makes the calls."""
    nonce: Nonce
    """Key (192 bits) | sequence (64 bits); the entry point uses each sequence once."""
    factory: Address | None = None
    """Contract that deploys the account; absent for an account with code."""
    factory_data: Data | None = None
    """Call data for the factory."""
    call_data: Data
    """Call to the account, which executes the calls."""
    call_gas_limit: Gas
    """Maximum gas that the calls themselves may use."""
    verification_gas_limit: Gas
    """Gas limit of deployment and validation."""
    pre_verification_gas: Gas
    """Gas that pays the bundler for call data and overhead."""
    max_fee_per_gas: WeiPerGas
    """Maximum price of gas in wei, base fee and priority fee together."""
    max_priority_fee_per_gas: WeiPerGas
    """Price of gas in wei that goes to the block's producer."""
    paymaster: Address | None = None
    """Contract that pays for the gas; absent if the account pays."""
    paymaster_verification_gas_limit: Gas | None = None
    """Gas limit of the paymaster's validation."""
    paymaster_post_op_gas_limit: Gas | None = None
    """Gas limit of the paymaster's work after the calls."""
    paymaster_data: Data | None = None
    """Bytes for the paymaster, such as the validity and the signature of a sponsorship."""
    signature: Data | None = None
    """Signature that the account verifies, in the account's own encoding."""
    eip7702_auth: AuthorizationJson | None = None
    """Signed authorization that delegates the account in the same transaction (EIP-7702)."""

    def to_domain(self, at: str = "") -> UserOperation:
        """Convert to the domain form; an absent signature becomes empty bytes.

        `at` is the path prefix of a rejected field. Raises: InvalidParams (part_without_address) for factoryData
        without factory, and for a paymaster key without paymaster.
        """
        return UserOperation(
            sender=self.sender,
            nonce=self.nonce,
            factory=self._factory(at),
            call_data=self.call_data,
            call_gas_limit=self.call_gas_limit,
            verification_gas_limit=self.verification_gas_limit,
            pre_verification_gas=self.pre_verification_gas,
            max_fee_per_gas=self.max_fee_per_gas,
            max_priority_fee_per_gas=self.max_priority_fee_per_gas,
            paymaster=self._paymaster(at),
            signature=Data() if self.signature is None else self.signature,
            authorization=None if self.eip7702_auth is None else self.eip7702_auth.to_domain(at),
        )

    def _factory(self, at: str) -> Factory | None:
        if self.factory is not None:
            return Factory(self.factory, Data() if self.factory_data is None else self.factory_data)
        _refuse_orphans(at, "factory", factoryData=self.factory_data)
        return None

    def _paymaster(self, at: str) -> PaymasterPart | None:
        verification = self.paymaster_verification_gas_limit
        post_op = self.paymaster_post_op_gas_limit
        if self.paymaster is None:
            _refuse_orphans(
                at,
                "paymaster",
                paymasterVerificationGasLimit=verification,
                paymasterPostOpGasLimit=post_op,
                paymasterData=self.paymaster_data,
            )
            return None
        return PaymasterPart(
            address=self.paymaster,
            verification_gas_limit=0 if verification is None else verification,
            post_op_gas_limit=0 if post_op is None else post_op,
            data=Data() if self.paymaster_data is None else self.paymaster_data,
        )

    @staticmethod
    def from_domain(op: UserOperation, *, include_signature: bool = True) -> UserOperationJson:
        """Convert `op` to the wire form, without the signature if `include_signature` is false."""
        factory = op.factory
        paymaster = op.paymaster
        authorization = op.authorization
        return UserOperationJson(
            sender=op.sender,
            nonce=op.nonce,
            factory=None if factory is None else factory.address,
            factory_data=None if factory is None else factory.data,
            call_data=op.call_data,
            call_gas_limit=op.call_gas_limit,
            verification_gas_limit=op.verification_gas_limit,
            pre_verification_gas=op.pre_verification_gas,
            max_fee_per_gas=op.max_fee_per_gas,
            max_priority_fee_per_gas=op.max_priority_fee_per_gas,
            paymaster=None if paymaster is None else paymaster.address,
            paymaster_verification_gas_limit=None if paymaster is None else paymaster.verification_gas_limit,
            paymaster_post_op_gas_limit=None if paymaster is None else paymaster.post_op_gas_limit,
            paymaster_data=None if paymaster is None else paymaster.data,
            signature=op.signature if include_signature else None,
            eip7702_auth=None if authorization is None else AuthorizationJson.from_domain(authorization),
        )


def _refuse_orphans(at: str, part: str, **keys: object) -> None:
    for key, value in keys.items():
        if value is not None:
            field = f"{at}{key}"
            text = f"expected to be absent, because {part} is absent"
            raise InvalidParams(text, reason="part_without_address", field=field)
