"""Fake transit engine on loopback that encrypts for real, and refuses what Vault refuses, with Vault's messages.

A ciphertext with other associated data or a changed byte is not decrypted; a wrong token, a missing key, a version
below the minimum, a sealed server and too many requests are told apart as by the real one.
"""

import base64
import binascii
import os
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TOKEN = "hvs.CAESIJ-a-token-of-the-stand-in"


@dataclass
class TransitStandIn:
    """A fake Vault.

    `faults`: statuses to answer with next, one each. `minimum`: lower versions are refused, as a disabled key is.
    """

    keys: list[bytes] = field(default_factory=lambda: [os.urandom(32)])
    faults: list[int] = field(default_factory=list)
    down: int = 0
    minimum: int = 1
    forbidden: bool = False
    namespace: str = ""
    asked: list[str] = field(default_factory=list)

    @property
    def app(self) -> Starlette:
        return Starlette(routes=[Route("/v1/{mount}/{operation}/{key}", self._answer, methods=["POST"])])

    def rotate(self) -> None:
        """Add a key version, with which everything is encrypted from now on."""
        self.keys.append(os.urandom(32))

    async def _answer(self, request: Request) -> Response:
        place = request.path_params
        self.asked.append(place["operation"])
        status = self.faults.pop(0) if self.faults else self.down
        if status:
            return _errors(status, "Vault is sealed" if status == 503 else "fault")
        if request.headers.get("X-Vault-Token") != TOKEN:
            return _errors(403, "2 errors occurred: * permission denied * invalid token")
        if self.forbidden or request.headers.get("X-Vault-Namespace", "") != self.namespace:
            return _errors(403, "1 error occurred: * permission denied")
        if (place["mount"], place["key"]) != ("transit", "outlay"):
            return _errors(400, "encryption key not found")
        body = await request.json()
        return self._encrypt(body) if place["operation"] == "encrypt" else self._decrypt(body)

    def _encrypt(self, body: dict[str, Any]) -> Response:
        nonce = os.urandom(12)
        sealed = AESGCM(self.keys[-1]).encrypt(
            nonce, base64.b64decode(body["plaintext"]), base64.b64decode(body["associated_data"])
        )
        return _data(ciphertext=f"vault:v{len(self.keys)}:{base64.b64encode(nonce + sealed).decode()}")

    def _decrypt(self, body: dict[str, Any]) -> Response:
        try:
            vault, version, value = body["ciphertext"].split(":")
            number, raw = int(version[1:]), base64.b64decode(value, validate=True)
            if vault != "vault" or not 1 <= number <= len(self.keys):
                raise ValueError
        except (ValueError, binascii.Error):
            return _errors(400, "invalid ciphertext: no prefix")
        if number < self.minimum:
            return _errors(400, "ciphertext or signature version is disallowed by policy (too old)")
        try:
            plain = AESGCM(self.keys[number - 1]).decrypt(raw[:12], raw[12:], base64.b64decode(body["associated_data"]))
        except InvalidTag:
            return _errors(400, "cipher: message authentication failed")
        return _data(plaintext=base64.b64encode(plain).decode())


def _data(**data: str) -> Response:
    return JSONResponse({"request_id": "r", "data": data})


def _errors(status: int, said: str) -> Response:
    return JSONResponse({"errors": [said]}, status_code=status)
