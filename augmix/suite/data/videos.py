"""Sequences of frames as H.264 video, the form in which ImageNet-P is published; coded and decoded by FFmpeg (PyAV)."""

from pathlib import Path

import numpy as np

from augmix.errors import UserError

RATE = 25


def write(path: Path, frames: np.ndarray, grain: bool = False) -> None:
    """Write uint8 frames (T, H, W, 3) as an MP4 file, coded as ImageNet-P: `grain` is the tuning for its noises."""
    import av

    options = {"preset": "veryslow", **({"tune": "grain"} if grain else {"crf": "20"})}
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for frame in frames:
            image = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(image))
        container.mux(stream.encode())


def read(path: Path, frames: int, side: int) -> np.ndarray:
    """The frames of a video as uint8 (frames, side, side, 3).

    Raises `UserError` naming the file when it is missing, damaged, or not of so many frames of that size.
    """
    import av

    out = np.empty((frames, side, side, 3), np.uint8)
    count = 0
    try:
        with av.open(str(path)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            for frame in container.decode(video=0):
                if (frame.height, frame.width) != (side, side):
                    raise UserError(f"{path} is {frame.width}×{frame.height}; {side}×{side} is expected")
                if count < frames:
                    out[count] = frame.to_ndarray(format="rgb24")
                count += 1
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing") from error
    except (av.FFmpegError, IndexError) as error:
        raise UserError(f"{path} is damaged or not a video ({error}); get it or have it made again") from error
    if count != frames:
        raise UserError(f"{path} has {count} frames; {frames} are expected")
    return out
