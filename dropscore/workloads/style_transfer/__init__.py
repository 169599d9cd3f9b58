"""Style transfer: every frame of a video, or every picture of a folder, restyled as a painting."""
