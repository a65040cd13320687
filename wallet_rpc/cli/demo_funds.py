"""Payers of the demo's accounts: the embedded chain, which sets balances, or the key of a funded account."""

from __future__ import annotations

from typing import Protocol

from wallet_rpc.adapters.client import JsonRpcClient
from wallet_rpc.adapters.http_post import PostClient
from wallet_rpc.adapters.transaction_sender import TransactionSender
from wallet_rpc.cli.demo_client import DemoFailed
from wallet_rpc.client import AsyncWalletClient, RpcError
from wallet_rpc.devchain.dev_constants import TEST_TOKEN
from wallet_rpc.domain import abi
from wallet_rpc.domain.ether import ETHER, format_ether
from wallet_rpc.errors import MethodNotFound, WalletError
from wallet_rpc.primitives import Address, Data

MINT = abi.selector_of("mint(address,uint256)")
"""Function of the test token that anyone may call."""


class Payer(Protocol):
    """Source of native currency and test tokens."""

    recipient: Address
    """Recipient of the demo's transfers."""
    returns_to: Address | None
    """Address that gets what the account has left at the end; None if it is worthless."""

    async def pay(self, account: Address, wei: int) -> int:
        """Pay at least this amount to the account, and return the paid amount. Raises: DemoFailed; ClientError."""

    async def mint(self, account: Address, units: int) -> None:
        """Mint test tokens for the account. Raises: DemoFailed; ClientError."""


class EmbeddedChain:
    """The embedded chain, which sets any balance and signs for its own accounts."""

    recipient = Address(bytes.fromhex("00000000000000000000000000000000f00dcafe"))
    returns_to: Address | None = None

    def __init__(self, client: AsyncWalletClient) -> None:
        self._client = client

    async def pay(self, account: Address, wei: int) -> int:
        """Set the account's balance to 1 ETH or more. Raises: DemoFailed if the chain sets no balances."""
        amount = max(wei, ETHER)
        try:
            await self._client.request("anvil_setBalance", account.hex0x(), hex(amount))
        except RpcError as error:
            if error.code != MethodNotFound.code:
                raise
            text = (
                f"this server's chain sets no balances, and account {account} needs {wei} wei ({format_ether(wei)} ETH)"
            )
            raise DemoFailed(f"{text}: name the private key of a funded account with --funder KEY") from None
        return amount

    async def mint(self, account: Address, units: int) -> None:
        """Mint from the first of the chain's own accounts."""
        accounts = await self._client.request("eth_accounts")
        data = Data(MINT + abi.address(account) + abi.uint(units)).hex0x()
        await self._client.request("eth_sendTransaction", {"from": accounts[0], "to": TEST_TOKEN.hex0x(), "data": data})


class Funder:
    """A funded account, whose key signs ordinary transactions."""

    def __init__(self, http: PostClient, url: str, *, chain_id: int, key: bytes) -> None:
        """Create a payer that sends its transactions to the node behind `url`."""
        node = JsonRpcClient(http, url, part="node")
        self._sender = TransactionSender(
            node, chain_id, key, account="the account of --funder", check="the funds of --funder"
        )
        self.recipient = self._sender.address
        self.returns_to: Address | None = self._sender.address

    async def pay(self, account: Address, wei: int) -> int:
        """Transfer exactly this amount, and wait until it is mined."""
        await self._send(account, b"", value=wei)
        return wei

    async def mint(self, account: Address, units: int) -> None:
        """Mint in a transaction, and wait until it is mined."""
        await self._send(TEST_TOKEN, MINT + abi.address(account) + abi.uint(units))

    async def _send(self, to: Address, data: bytes, *, value: int = 0) -> None:
        try:
            await self._sender.send(to, data, value=value)
        except WalletError as error:
            raise DemoFailed(f"--funder: {error.message} (code {error.code})") from None
