"""The operator's settings of DIMSE: of the listener, and of the service when it sends results by C-STORE."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from app.associations.address import Address, is_dicom
from app.associations.opening import Ours
from app.associations.tls import Tls, client_context, server_context
from app.service import values
from app.service.environment import FromEnvironment

OptionalFile = Annotated[Path | None, BeforeValidator(values.optional_file)]


class AssociationSettings(FromEnvironment):
    """How Cruciate presents itself to DICOM systems. Each field is the variable CRUCIATE_DIMSE_<FIELD>."""

    model_config = ConfigDict(use_attribute_docstrings=True)
    prefix: ClassVar[str] = "CRUCIATE_DIMSE_"

    title: Annotated[str, BeforeValidator(values.ae_title)] = "CRUCIATE"
    """Our own AE title."""
    tls_certificate: OptionalFile = None
    """File (PEM) with our certificate and those that link it to its authority; the listener then speaks TLS only."""
    tls_key: OptionalFile = Field(default=None, validate_default=True)
    """File (PEM) with the certificate's private key, unencrypted; without it, the key is in the certificate's file."""
    tls_authorities: OptionalFile = Field(default=None, validate_default=True)
    """File (PEM) of authorities; with it, a peer must show a certificate from one of them."""

    @field_validator("tls_key")
    @classmethod
    def _fits(cls, key: Path | None, others: ValidationInfo) -> Path | None:
        if (certificate := others.data.get("tls_certificate")) is None:
            if key is not None:
                raise ValueError("needs CRUCIATE_DIMSE_TLS_CERTIFICATE.")
            return key
        try:
            server_context(Tls(certificate, key))
        except (OSError, ValueError) as error:
            reason = error if type(error) is ValueError else type(error).__name__
            raise ValueError(
                f": a certificate and its key can't be read from {certificate} and {key or 'the same file'} ({reason})."
            ) from None
        return key

    @field_validator("tls_authorities")
    @classmethod
    def _lists_certificates(cls, authorities: Path | None, others: ValidationInfo) -> Path | None:
        if authorities is None:
            return None
        if others.data.get("tls_certificate") is None:
            raise ValueError("needs CRUCIATE_DIMSE_TLS_CERTIFICATE: without it, nothing is encrypted.")
        try:
            client_context(Tls(authorities=authorities))
        except (OSError, ValueError) as error:
            raise ValueError(f": {authorities} holds no certificates in PEM ({type(error).__name__}).") from None
        return authorities

    @property
    def ours(self) -> Ours:
        """How we present ourselves."""
        return Ours(self.title, Tls(self.tls_certificate, self.tls_key, self.tls_authorities))


def ours_to(targets: Iterable[str]) -> Ours:
    """How we present ourselves to these targets. Raises SettingsError if one speaks DIMSE and a variable is bad."""
    environment = os.environ if any(map(is_dicom, targets)) else {}
    return AssociationSettings.from_environment(environment).ours


class DimseSettings(AssociationSettings):
    """Settings of the DIMSE listener. Each field is the variable CRUCIATE_DIMSE_<FIELD>."""

    peers: Annotated[frozenset[tuple[str, str]], BeforeValidator(values.peers)]
    """AE titles and addresses that may send; without any, nobody may send."""
    readers: Annotated[frozenset[str], BeforeValidator(values.ae_titles)] = frozenset()
    """AE titles, comma-separated, of those peers that may also search and retrieve (C-FIND, C-MOVE, C-GET)."""
    destinations: Annotated[tuple[Address, ...], BeforeValidator(values.destinations)] = ()
    """Addresses dicom://TITLE@host:port, comma-separated, that C-MOVE and storage commitment may send to."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=11112, ge=0, le=65535)
    """Port to listen on."""

    @field_validator("readers")
    @classmethod
    def _are_peers(cls, readers: frozenset[str], others: ValidationInfo) -> frozenset[str]:
        titles = {title for title, _ in others.data.get("peers", ())}
        if strangers := readers - titles:
            raise ValueError(f"must list titles of CRUCIATE_DIMSE_PEERS; {min(strangers)} isn't among them.")
        return readers

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Like the base class, but a missing list of peers is treated like an empty list."""
        return super().from_environment({cls.variable("peers"): "", **environment})
