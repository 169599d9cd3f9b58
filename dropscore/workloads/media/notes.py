"""What is unusual about a video, and what becomes of it: one sentence each, for the report."""

from dropscore.workloads.media.encode import pixel_format_of
from dropscore.workloads.media.facts import Track, VideoFacts

MP4_SOUND = frozenset({"aac", "mp3", "mp3float", "mp2", "mp2float", "ac3", "eac3", "alac", "dca"})
"""Decoder names of the sound that MP4 holds and most players play from it."""

MOV_SOUND_PREFIXES = ("pcm_", "adpcm_")
"""Beginnings of decoder names of the sound that a QuickTime file holds besides."""

MP4_SUBTITLES = frozenset({"mov_text"})

_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}


def container_for(tracks: tuple[Track, ...]) -> tuple[str, str]:
    """FFmpeg's name and the suffix of a container that holds these sound tracks unchanged.

    MP4 where it can, else QuickTime, else Matroska, which holds everything.
    """
    codecs = {track.codec for track in tracks if track.kind == "audio"}
    if codecs <= MP4_SOUND:
        return "mp4", "mp4"
    beyond = codecs - MP4_SOUND
    if all(codec.startswith(MOV_SOUND_PREFIXES) for codec in beyond):
        return "mov", "mov"
    return "matroska", "mkv"


def copied_tracks(tracks: tuple[Track, ...], output_format: str) -> tuple[int, ...]:
    """The streams that come along unchanged: all sound, and the subtitles that the container holds."""
    return tuple(track.index for track in tracks if track.kind == "audio" or _holds_subtitles(output_format, track))


def _holds_subtitles(output_format: str, track: Track) -> bool:
    return track.kind == "subtitle" and (output_format == "matroska" or track.codec in MP4_SUBTITLES)


def notes_on(facts: VideoFacts) -> tuple[str, ...]:
    """All that is unusual about a video."""
    return (*_on_completeness(facts), *_on_pictures(facts), *_on_tracks(facts))


def _on_completeness(facts: VideoFacts) -> tuple[str, ...]:
    timeline = facts.timeline
    found = (
        (
            facts.lost_frames > 0,
            f"The end is missing: {timeline.frames} frames are whole, {facts.lost_frames} are cut off.",
        ),
        (
            facts.undecodable_head > 0,
            f"The first {facts.undecodable_head} frames are left out: the key frame to decode them from is missing.",
        ),
        (
            timeline.frames > 500 and len(timeline.key_pts) == 1,
            "There is one key frame only, so that every shard decodes from the beginning.",
        ),
        (timeline.variable, "The frame rate varies; every frame keeps its own time."),
    )
    return tuple(note for applies, note in found if applies)


def _on_pictures(facts: VideoFacts) -> tuple[str, ...]:
    hdr = _HDR_TRANSFERS.get(facts.colour.transfer)
    found = (
        (
            pixel_format_of(facts.size) == "yuv444p",
            f"Odd sizes ({facts.size}) are kept with 4:4:4 colour, which some players do not show.",
        ),
        (facts.bit_depth > 8, f"{facts.bit_depth}-bit samples become 8-bit ones."),
        (hdr is not None, f"The {hdr} colours keep their tags; the details for HDR screens are not kept."),
        (facts.interlaced, "The video is interlaced; both fields of a frame are restyled together."),
        (
            facts.orientation.degrees > 0 or facts.orientation.mirrored,
            f"Players turn the video by {facts.orientation.degrees} degrees; the result is marked the same.",
        ),
    )
    return tuple(note for applies, note in found if applies)


def _on_tracks(facts: VideoFacts) -> tuple[str, ...]:
    output_format, suffix = container_for(facts.tracks)
    copied = copied_tracks(facts.tracks, output_format)
    sound = sorted({track.codec for track in facts.tracks if track.kind == "audio"})
    left = [track for track in facts.tracks if track.index not in copied]
    exact = ", which rounds times to a millisecond" if suffix == "mkv" else ""
    found = (
        (not sound, "There is no sound."),
        (suffix != "mp4", f"The sound ({', '.join(sound)}) does not fit into MP4, so the result is .{suffix}{exact}."),
        (bool(left), f"Left out, since .{suffix} does not hold them: {_listed(left)}."),
        (facts.other_videos > 0, f"Of {facts.other_videos + 1} video streams the default one is used."),
    )
    return tuple(note for applies, note in found if applies)


def _listed(tracks: list[Track]) -> str:
    return ", ".join(f"{track.kind} {track.codec}" for track in tracks)
