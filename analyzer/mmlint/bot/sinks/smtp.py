"""Replies through a mail server."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from email.utils import parseaddr
from typing import Any

from mmlint.bot.config import SmtpConfig
from mmlint.bot.replies import Draft, render
from mmlint.bot.sinks import SendError
from mmlint.bot.sinks.files import draft_of
from mmlint.settings import SettingsError

_TIMEOUT = 60.0


class Smtp:
    """One connection a mail. When it breaks while the text is on its way, the mail may have gone out or not."""

    certain = False

    def __init__(self, config: SmtpConfig) -> None:
        self._config = config

    def send(self, key: str, target: str, payload: dict[str, Any], now: float) -> None:
        """Hand the reply over; addresses that the server refuses are named in `payload["refused"]`."""
        draft = draft_of(payload)
        text = render(draft, now).replace(b"\n", b"\r\n")
        server = self._connected()
        try:
            refused = self._hand_over(server, draft, text)
        finally:
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
            server.close()
        if refused:
            payload["refused"] = refused

    def _connected(self) -> smtplib.SMTP:
        try:
            return self._connect()
        except smtplib.SMTPResponseException as error:
            raise SendError(f"{self._config.host}: login or greeting failed with {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise SendError(f"{self._config.host}: {type(error).__name__}") from None
        except SettingsError as error:
            raise SendError(str(error)) from None

    def _connect(self) -> smtplib.SMTP:
        config = self._config
        context = ssl.create_default_context()
        server: smtplib.SMTP
        if config.security == "tls":
            server = smtplib.SMTP_SSL(config.host, config.port, timeout=_TIMEOUT, context=context)
        else:
            server = smtplib.SMTP(config.host, config.port, timeout=_TIMEOUT)
        try:
            if config.security == "starttls":
                server.starttls(context=context)
            server.ehlo_or_helo_if_needed()
            if config.user:
                server.login(config.user, config.secret.reveal() if config.secret else "")
        except BaseException:
            server.close()
            raise
        return server

    def _hand_over(self, server: smtplib.SMTP, draft: Draft, text: bytes) -> list[str]:
        """The addresses that were refused."""
        eight = [] if text.isascii() or not server.has_extn("8bitmime") else ["body=8bitmime"]
        try:
            code, _ = server.mail(parseaddr(draft.sender)[1], eight)
            if code != 250:
                raise SendError(f"server says {code} to the sender", temporary=code < 500)
            codes = {address: server.rcpt(address)[0] for address in draft.rcpt}
        except (smtplib.SMTPException, OSError) as error:
            raise SendError(f"{self._config.host}: {type(error).__name__}") from None
        refused = [address for address, code in codes.items() if code not in (250, 251)]
        if len(refused) == len(codes):
            raise SendError("all recipients refused", temporary=any(code < 500 for code in codes.values()))
        try:
            code, answer = server.data(text)
        except smtplib.SMTPDataError as error:
            raise _refused(error.smtp_code, error.smtp_error) from None
        except (smtplib.SMTPException, OSError) as error:
            raise SendError(f"connection lost in the text: {type(error).__name__}", uncertain=True) from None
        if code != 250:
            raise _refused(code, answer)
        return refused


def _refused(code: int, answer: bytes | str) -> SendError:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return SendError(f"server says {code} to the text: {text[:120]}", temporary=code < 500)
