"""What every test relies on, wherever the tests are started from."""

from __future__ import annotations

import signal

# A shell without job control starts what stands before `&` with Ctrl-C ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
