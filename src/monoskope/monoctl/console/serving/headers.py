"""The headers that every answer of the console has: what the browser must not do with the page, and what it must."""

from __future__ import annotations

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none';"
    " frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The page loads and calls nothing but its own server, no other page shows it in a frame, and no text becomes script
(Content Security Policy Level 3, https://www.w3.org/TR/CSP3/, and Trusted Types, https://www.w3.org/TR/trusted-types/).
"""

_FORBIDDEN = (
    "accelerometer",
    "autoplay",
    "browsing-topics",
    "camera",
    "clipboard-read",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "gamepad",
    "geolocation",
    "gyroscope",
    "hid",
    "idle-detection",
    "local-fonts",
    "magnetometer",
    "microphone",
    "midi",
    "otp-credentials",
    "payment",
    "picture-in-picture",
    "publickey-credentials-create",
    "publickey-credentials-get",
    "screen-wake-lock",
    "serial",
    "storage-access",
    "usb",
    "window-management",
    "xr-spatial-tracking",
)

ALWAYS = (
    ("Content-Security-Policy", CSP),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Permissions-Policy", ", ".join((*(f"{name}=()" for name in _FORBIDDEN), "clipboard-write=(self)"))),
)
"""The server itself adds `Cache-Control: no-store` and `X-Content-Type-Options: nosniff`."""

JSON = ("Content-Type", "application/json")
