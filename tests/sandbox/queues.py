"""Good requests for every model that is submitted and polled, and a client that does both."""

import base64
import ssl
from typing import Any

import httpx

from aiml_music.sandbox import RunningSandbox

# Nothing here is encrypted, and reading the certificates of the world takes each client 20 ms.
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

Body = dict[str, Any]

QUEUED = "/v2/generate/audio"

# Who still works on a track says one of these, and who says another word is done with it.
RUNNING = {"queued", "generating", "waiting", "active", "preparing", "polishing"}

PROMPT = "A quiet song by the sea"
LYRICS = "[Verse]\nOver the water\nthe morning is new"
REFERENCE_URL = "https://example.org/reference.mp3"

REQUESTS: dict[str, Body] = {
    "minimax-music": {"prompt": "##Side by side##", "reference_audio_url": REFERENCE_URL},
    "minimax/music-1.5": {"prompt": PROMPT, "lyrics": LYRICS},
    "minimax/music-2.0": {"prompt": PROMPT, "lyrics": LYRICS},
    "minimax/music-2.6": {"prompt": PROMPT, "lyrics": LYRICS},
    "minimax/music-cover": {"prompt": PROMPT, "reference_audio_url": REFERENCE_URL},
    "google/lyria2": {"prompt": PROMPT},
    "stable-audio": {"prompt": PROMPT},
    "elevenlabs/eleven_music": {"prompt": PROMPT},
}


def wanted(model: str, **changes: Any) -> Body:
    """Return a good request; what is given replaces what is in it."""
    return {"model": model, **REQUESTS[model], **changes}


def as_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


class Queue:
    """Submits to a sandbox and polls it, with its key; fetches without."""

    def __init__(self, server: RunningSandbox, http: httpx.Client) -> None:
        self.server = server
        self.http = http
        self._charged_before = server.sandbox.charges

    def charges(self) -> int:
        """Count the charges since this client began."""
        return self.server.sandbox.charges - self._charged_before

    def submit(self, body: Body, scenario: str | None = None, **headers: str) -> httpx.Response:
        """Submit a request, in a scenario."""
        named = {} if scenario is None else {"x-sandbox-scenario": scenario}
        return self.http.post(QUEUED, json=body, headers=named | headers)

    def poll(self, generation_id: str) -> httpx.Response:
        """Poll once."""
        return self.http.get(QUEUED, params={"generation_id": generation_id})

    def outcome(self, generation_id: str) -> Body:
        """Poll until the service is done with it, whatever came of it."""
        while True:
            answer: Body = self.poll(generation_id).json()
            if answer["status"] not in RUNNING:
                return answer

    def fetch(self, url: str, **options: Any) -> httpx.Response:
        """Fetch a result as anybody would, without a key."""
        return httpx.get(url, verify=PLAIN, timeout=20, **options)

    def track(self, body: Body) -> bytes:
        """Return the audio that a request makes."""
        answer = self.outcome(self.submit(body).json()["id"])
        return self.fetch(answer["audio_file"]["url"]).content
