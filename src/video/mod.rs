//! Video in: exact frames from any file ffmpeg reads and from folders of images.
