//! The decode thread: every newest request is answered, stale ones are dropped, steps back come from the cache.

#![cfg(feature = "video")]

mod video_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use label_hub::label::FrameIdx;
use label_hub::video::{
    Clip, FrameCache, Generation, VideoCommand, VideoError, VideoEvent, VideoThread, WorkerOptions,
};
use video_support::{FRAMES, encoded, number_in, open, plain};

fn long_gop() -> Clip {
    let arguments = ["-c:v", "libx264", "-bf", "3", "-g", "600", "-sc_threshold", "0"];
    open(&encoded("long_gop.mkv", &arguments))
}

fn thread(options: WorkerOptions) -> VideoThread {
    VideoThread::spawn(options, || {}).expect("a thread can be started")
}

/// Waits for the answer to a request and skips progress.
fn answer(thread: &VideoThread, generation: Generation) -> VideoEvent {
    loop {
        let event = thread.events().recv().expect("the thread lives as long as its owner");
        match &event {
            VideoEvent::Progress { .. } => {}
            VideoEvent::Opened { generation: of, .. }
            | VideoEvent::Frame { generation: of, .. }
            | VideoEvent::Failed { generation: of, .. } => {
                if *of == generation {
                    return event;
                }
                assert!(*of < generation, "answers do not overtake requests");
            }
        }
    }
}

fn show(thread: &VideoThread, idx: u32) -> Generation {
    thread.send(VideoCommand::Show { idx: FrameIdx(idx), with_rgb: true })
}

fn shown_number(thread: &VideoThread, idx: u32) -> u32 {
    let generation = show(thread, idx);
    match answer(thread, generation) {
        VideoEvent::Frame { frame, rgb, .. } => {
            assert_eq!(frame.idx(), FrameIdx(idx));
            number_in(&rgb.expect("RGB was asked for"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn opening_then_showing_answers_both() {
    let thread = thread(WorkerOptions::default());
    let opening = thread.send(VideoCommand::Open { path: plain(), stream: None });
    match answer(&thread, opening) {
        VideoEvent::Opened { clip, .. } => assert_eq!(clip.frame_count(), FRAMES),
        other => panic!("{other:?}"),
    }
    for idx in [0, 59, 31, 30, 29, 3] {
        assert_eq!(shown_number(&thread, idx), idx);
    }
}

#[test]
fn stepping_through_a_long_gop_shows_every_frame_both_ways() {
    let thread = thread(WorkerOptions { look_ahead: 8, threads: 2, ..WorkerOptions::default() });
    let opening = thread.send(VideoCommand::Open { path: long_gop().path().to_owned(), stream: None });
    answer(&thread, opening);
    for idx in (0..FRAMES).chain((0..FRAMES).rev()) {
        assert_eq!(shown_number(&thread, idx), idx);
    }
}

#[test]
fn a_cache_too_small_for_anything_still_shows_every_frame() {
    let thread = thread(WorkerOptions { cache_bytes: 1, look_ahead: 8, threads: 1 });
    let opening = thread.send(VideoCommand::Open { path: long_gop().path().to_owned(), stream: None });
    answer(&thread, opening);
    for idx in [40, 39, 38, 0, 59] {
        assert_eq!(shown_number(&thread, idx), idx);
    }
}

#[test]
fn of_many_requests_the_last_is_answered() {
    let thread = thread(WorkerOptions::default());
    let opening = thread.send(VideoCommand::Open { path: long_gop().path().to_owned(), stream: None });
    answer(&thread, opening);
    let requests: Vec<Generation> = (0..1000).map(|step| show(&thread, step * 7 % FRAMES)).collect();
    let last = *requests.last().expect("a thousand");
    match answer(&thread, last) {
        VideoEvent::Frame { frame, .. } => assert_eq!(frame.idx(), FrameIdx(999 * 7 % FRAMES)),
        other => panic!("{other:?}"),
    }
    assert!(requests.is_sorted(), "later requests have larger generations");
}

#[test]
fn failures_are_answers_too() {
    let thread = thread(WorkerOptions::default());
    let early = show(&thread, 0);
    assert!(matches!(answer(&thread, early), VideoEvent::Failed { idx: Some(FrameIdx(0)), .. }), "no clip is open");
    let opening = thread.send(VideoCommand::Open { path: "/no/such/clip.mp4".into(), stream: None });
    assert!(matches!(answer(&thread, opening), VideoEvent::Failed { idx: None, .. }));
    let opening = thread.send(VideoCommand::Open { path: plain(), stream: None });
    answer(&thread, opening);
    let beyond = show(&thread, FRAMES);
    assert!(matches!(answer(&thread, beyond), VideoEvent::Failed { idx: Some(FrameIdx(FRAMES)), .. }));
    assert_eq!(shown_number(&thread, 5), 5, "an error does not end the thread");
}

#[test]
fn an_image_out_of_reach_for_a_moment_is_no_damage() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for number in 0..3_u8 {
        let picture = image::RgbImage::from_pixel(12, 8, image::Rgb([number, 0, 0]));
        picture.save(folder.path().join(format!("{number}.png"))).expect("writable");
    }
    let thread = thread(WorkerOptions::default());
    let opening = thread.send(VideoCommand::Open { path: folder.path().to_owned(), stream: None });
    answer(&thread, opening);
    let (file, away) = (folder.path().join("1.png"), folder.path().join("away"));
    std::fs::rename(&file, &away).expect("writable");
    let asked = show(&thread, 1);
    match answer(&thread, asked) {
        VideoEvent::Failed { idx: Some(FrameIdx(1)), error: VideoError::Io { path, .. }, .. } => assert_eq!(path, file),
        other => panic!("{other:?}"),
    }
    std::fs::rename(&away, &file).expect("writable");
    let asked = show(&thread, 1);
    match answer(&thread, asked) {
        VideoEvent::Frame { frame, rgb, .. } => {
            assert_eq!((frame.damage(), rgb.expect("RGB was asked for").pixel(0, 0)), (None, [1, 0, 0]));
        }
        other => panic!("{other:?}"),
    }
}

/// The kernel names the call a thread waits in. Files that answer are opened within microseconds: a thread that is seen
/// in the same call again and again stays there.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn wait_until_a_decode_thread_stalls_in_open() {
    let call = || {
        let tasks = std::fs::read_dir("/proc/self/task").expect("Linux has it");
        tasks.flatten().map(|task| task.path()).find_map(|task| {
            // A thread that has just ended has no files any more.
            let name = std::fs::read_to_string(task.join("comm")).ok()?;
            let call = std::fs::read_to_string(task.join("syscall")).ok()?;
            let is_stalled = name.trim() == "video-decode" && call.starts_with(&format!("{} ", libc::SYS_openat));
            is_stalled.then_some((task, call))
        })
    };
    let start = std::time::Instant::now();
    let (mut before, mut times) = (None, 0);
    while times < 50 {
        assert!(start.elapsed().as_secs() < 60, "no thread stalls");
        let now = call();
        times = if now.is_some() && now == before { times + 1 } else { 0 };
        before = now;
        std::thread::yield_now();
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_read_that_stalls_holds_no_frame_back_that_is_at_hand() {
    use std::os::unix::fs::OpenOptionsExt;
    use std::time::Duration;
    if let Err(error) = std::fs::read_to_string("/proc/self/syscall") {
        // Some containers hide it.
        println!("SKIPPED: where a thread waits cannot be seen here: {error}");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    for number in 0..3_u8 {
        let picture = image::RgbImage::from_pixel(12, 8, image::Rgb([number, 0, 0]));
        picture.save(folder.path().join(format!("{number}.png"))).expect("writable");
    }
    let thread = thread(WorkerOptions { look_ahead: 0, ..WorkerOptions::default() });
    let opening = thread.send(VideoCommand::Open { path: folder.path().to_owned(), stream: None });
    answer(&thread, opening);
    let ask = |idx| thread.send(VideoCommand::Show { idx: FrameIdx(idx), with_rgb: false });
    let first = ask(0);
    answer(&thread, first);
    // Opening a pipe waits until somebody writes to it.
    let pipe = folder.path().join("1.png");
    std::fs::remove_file(&pipe).expect("writable");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("it is on every Linux");
    assert!(made.success());
    let stalled = ask(1);
    wait_until_a_decode_thread_stalls_in_open();
    let at_hand = ask(0);
    let second = thread.events().recv_timeout(Duration::from_secs(60)).expect("it waits for nothing");
    assert!(matches!(&second, VideoEvent::Frame { generation, .. } if *generation == at_hand), "{second:?}");
    // The read ends, with an answer that comes too late.
    let last = ask(2);
    let event = loop {
        std::fs::OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&pipe).map(drop).ok();
        if let Ok(event) = thread.events().recv_timeout(Duration::from_millis(50)) {
            break event;
        }
    };
    assert!(matches!(&event, VideoEvent::Frame { generation, .. } if *generation == last), "{stalled:?}: {event:?}");
}

#[test]
fn the_waker_is_called_for_every_answer() {
    let wakes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&wakes);
    let thread = VideoThread::spawn(WorkerOptions::default(), move || {
        counter.fetch_add(1, Ordering::SeqCst);
    })
    .expect("a thread can be started");
    let opening = thread.send(VideoCommand::Open { path: plain(), stream: None });
    answer(&thread, opening);
    assert_eq!(shown_number(&thread, 7), 7);
    drop(thread);
    assert!(wakes.load(Ordering::SeqCst) >= 2, "once for the clip, once for the frame");
}

#[test]
fn dropping_the_thread_with_undrained_answers_ends_it() {
    let thread = thread(WorkerOptions::default());
    thread.send(VideoCommand::Open { path: plain(), stream: None });
    for idx in 0..FRAMES {
        show(&thread, idx);
    }
    drop(thread);
}

#[test]
fn frames_passed_on_the_way_fill_the_cache_in_order() {
    let clip = long_gop();
    let mut reader = clip.reader().expect("a reader");
    let mut cache = FrameCache::new(usize::MAX);
    let frame = reader
        .frame_or_stop(FrameIdx(40), &mut |passed| {
            cache.insert(passed);
            std::ops::ControlFlow::Continue(())
        })
        .expect("readable")
        .expect("nobody stopped it");
    assert_eq!(frame.idx(), FrameIdx(40));
    assert!((0..40).all(|idx| cache.contains(FrameIdx(idx))), "stepping back from 40 needs no decoding");
}

#[test]
fn a_search_that_is_stopped_can_go_on() {
    let clip = long_gop();
    let mut reader = clip.reader().expect("a reader");
    let stopped = reader.frame_or_stop(FrameIdx(40), &mut |passed| {
        if passed.idx() == FrameIdx(20) {
            std::ops::ControlFlow::Break(())
        } else {
            std::ops::ControlFlow::Continue(())
        }
    });
    assert!(stopped.expect("readable").is_none());
    for idx in [21, 40, 10] {
        let frame = reader.frame(FrameIdx(idx)).expect("readable");
        assert_eq!(number_in(&frame.to_rgb()), idx);
    }
}
