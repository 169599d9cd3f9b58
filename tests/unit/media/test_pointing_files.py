"""Media files that point to other files and addresses: nobody goes there, and what they point to does not come out."""

import io
import socket
import struct
import threading

import pytest
from made_clips import clip, frame_times

from dropscore.contracts.errors import FailedError
from dropscore.workloads.media.images import probe_picture
from dropscore.workloads.media.opening import sniff_file
from dropscore.workloads.media.probe import probe_video
from dropscore.workloads.media.sniffing import Kind

pytestmark = pytest.mark.fault(59)

ENTITY = '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "{url}">]>'


def box(name, content):
    return struct.pack(">I", 8 + len(content)) + name + content


def reference_movie(url):
    """A QuickTime movie that is nothing but the address of another."""
    reference = box(b"rdrf", bytes(4) + b"url " + struct.pack(">I", len(url) + 1) + url.encode() + b"\0")
    return box(b"ftyp", b"qt  " + bytes(4) + b"qt  ") + box(b"moov", box(b"rmra", box(b"rmda", reference)))


def with_subtitles(url):
    """An AVI film whose subtitles are a playlist."""
    playlist = f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n".encode()
    text = b"GAB2\0\x02\0" + struct.pack("<I", 2) + b"x\0\x04\0" + struct.pack("<I", len(playlist)) + playlist
    film = clip("avi with b-frames")
    return film[:-8] + b"00tx" + struct.pack("<I", len(text)) + text + film[-8:]


TRICKS = {
    "playlist": lambda url: f"#EXTM3U\n#EXTINF:10,\n{url}\n#EXT-X-ENDLIST\n".encode(),
    "playlist with a mark": lambda url: b"\xef\xbb\xbf" + f"#EXTM3U\n#EXTINF:10,\n{url}\n".encode(),
    "playlist behind a film's beginning": lambda url: clip("transport stream")[:188] + f"#EXTM3U\n{url}\n".encode(),
    "master playlist": lambda url: f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}\n".encode(),
    "playlist with a key": lambda url: f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n#EXTINF:1,\nx\n'.encode(),
    "concat": lambda url: f"ffconcat version 1.0\nfile '{url}'\nduration 5\n".encode(),
    "session": lambda url: f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5000 RTP/AVP 96\na=control:{url}\n".encode(),
    "manifest": lambda url: f'<?xml version="1.0"?><MPD><Period><BaseURL>{url}</BaseURL></Period></MPD>'.encode(),
    "smooth manifest": lambda url: f'<SmoothStreamingMedia Url="{url}"/>'.encode(),
    "advanced redirector": lambda url: f'<asx version="3"><entry><ref href="{url}"/></entry></asx>'.encode(),
    "drawing with an entity": lambda url: (ENTITY.format(url=url) + "<svg>&x;</svg>").encode(),
    "drawing with a picture": lambda url: f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/>'.encode(),
    "shortcut": lambda url: f"[InternetShortcut]\nURL={url}\n".encode(),
    "script of frames": lambda url: f'AviSource("{url}")\n'.encode(),
    "vector macro": lambda url: f"push graphic-context\nimage over 0,0 0,0 '{url}'\npop graphic-context\n".encode(),
    "postscript": lambda url: f"%!PS-Adobe-3.0\n({url}) run\n".encode(),
    "document": lambda url: f"%PDF-1.7\n1 0 obj<</A<</S/URI/URI({url})>>>>endobj\n".encode(),
    "reference movie": reference_movie,
    "film with a playlist for subtitles": with_subtitles,
}


@pytest.fixture
def trap():
    """A server that nobody may call; gives its address, and who called."""
    called = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        over = threading.Event()

        def listen():
            while not over.is_set():
                try:
                    connection, address = server.accept()
                except TimeoutError:
                    continue
                called.append(address)
                connection.close()

        listening = threading.Thread(target=listen)
        listening.start()
        yield f"127.0.0.1:{server.getsockname()[1]}", called
        over.set()
        listening.join()


def answer_to(file):
    """What the real readers make of a file."""
    try:
        if sniff_file(file).kind is Kind.VIDEO:
            return f"{probe_video(file, 'film.mp4').timeline.frames} frames"
        return str(probe_picture(file, "film.mp4").size)
    except FailedError as error:
        return error.failure.code.value


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("scheme", ["http", "tcp", "file"])
def test_nobody_goes_where_a_file_points(trap, tmp_path, trick, scheme):
    address, called = trap
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(clip("plain"))
    url = f"file://{secret}" if scheme == "file" else f"{scheme}://{address}/x.mp4"
    file = io.BytesIO(TRICKS[trick](url))
    expected = "E-INPUT-UNSUPPORTED E-INPUT-UNREADABLE"
    if trick == "film with a playlist for subtitles":
        expected = f"{len(frame_times(clip('avi with b-frames')))} frames"
    assert answer_to(file) in expected
    assert called == []
