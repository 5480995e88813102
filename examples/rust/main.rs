// SPDX-License-Identifier: Apache-2.0
//! The main job in Rust, without crates: the declarations that it needs are written by hand after sandboxkit.h.
//! One operation at a time, each waited for. Makes sandboxes.db in the working directory.
#![allow(non_camel_case_types)]

use std::ffi::CStr;
use std::io::Write;
use std::mem::{size_of, zeroed};
use std::os::raw::{c_char, c_int};
use std::ptr::{null, null_mut};

#[repr(C)]
struct sbk_engine_options {
    struct_size: usize,
    store: *const c_char,
    store_size: usize,
    state_directory: *const c_char,
    state_directory_size: usize,
    guest: *const c_char,
    guest_size: usize,
    runtime: *const c_char,
    runtime_size: usize,
    host_queue: *mut sbk_queue,
    host_tag: u64,
    workers: u32,
    flags: u32,
    log_level: u32,
    answer_timeout_ms: u32,
}

#[repr(C)]
struct sbk_session_options {
    struct_size: usize,
    profile: *const c_char,
    profile_size: usize,
    client_token: *const c_char,
    client_token_size: usize,
    idle_limit_s: u64,
    time_limit_s: u64,
    version: u32,
    reserved: u32,
}

enum sbk_queue {}
enum sbk_event {}
enum sbk_operation {}
enum sbk_engine {}
enum sbk_client {}
enum sbk_command {}
type sbk_status = c_int; // as numbers, since a newer library may know more of them than an enum lists
const SBK_OK: sbk_status = 0;
const SBK_EVENT_COMPLETION: c_int = 1;

type Operation = *mut *mut sbk_operation;
type Text = *const c_char;
#[link(name = "sandboxkit_c")]
extern "C" {
    fn sbk_status_name(status: sbk_status) -> Text;
    fn sbk_queue_new(queue: *mut *mut sbk_queue) -> sbk_status;
    fn sbk_queue_next(event: *mut *mut sbk_event, queue: *mut sbk_queue, timeout_ms: i64) -> sbk_status;
    fn sbk_queue_free(queue: *mut sbk_queue);
    fn sbk_event_get_kind(event: *const sbk_event) -> c_int;
    fn sbk_event_status(event: *const sbk_event) -> sbk_status;
    fn sbk_event_text(event: *const sbk_event, pointer: Text, pointer_size: usize, size: *mut usize) -> Text;
    fn sbk_event_bytes(event: *const sbk_event, size: *mut usize) -> Text;
    fn sbk_event_take_engine(engine: *mut *mut sbk_engine, event: *mut sbk_event) -> sbk_status;
    fn sbk_event_free(event: *mut sbk_event);
    fn sbk_engine_open(o: Operation, queue: *mut sbk_queue, tag: u64, options: *const sbk_engine_options) -> sbk_status;
    fn sbk_engine_free(engine: *mut sbk_engine);
    fn sbk_client_new(
        client: *mut *mut sbk_client, engine: *mut sbk_engine, queue: *mut sbk_queue, id: Text, id_size: usize,
    ) -> sbk_status;
    fn sbk_client_add_every_scope(client: *mut sbk_client) -> sbk_status;
    fn sbk_client_free(client: *mut sbk_client);
    fn sbk_profile_create(
        o: Operation, client: *mut sbk_client, tag: u64, document: Text, document_size: usize,
        client_token: Text, client_token_size: usize,
    ) -> sbk_status;
    fn sbk_version_publish(o: Operation, client: *mut sbk_client, tag: u64, profile: Text, profile_size: usize) -> sbk_status;
    fn sbk_job_wait(o: Operation, client: *mut sbk_client, tag: u64, job: Text, job_size: usize) -> sbk_status;
    fn sbk_session_start(o: Operation, client: *mut sbk_client, tag: u64, options: *const sbk_session_options) -> sbk_status;
    fn sbk_command_new(command: *mut *mut sbk_command) -> sbk_status;
    fn sbk_command_add_argument(command: *mut sbk_command, argument: Text, argument_size: usize) -> sbk_status;
    fn sbk_command_free(command: *mut sbk_command);
    fn sbk_session_exec(
        o: Operation, client: *mut sbk_client, tag: u64, session: Text, session_size: usize,
        command: *const sbk_command, output_limit: u64,
    ) -> sbk_status;
    fn sbk_session_remove(o: Operation, client: *mut sbk_client, tag: u64, session: Text, session_size: usize) -> sbk_status;
}

/// An object of the library, which its own function frees.
struct Owned<T>(*mut T, unsafe extern "C" fn(*mut T));

impl<T> Owned<T> {
    /// What `make` gives; `make` says whether it did.
    fn new(free: unsafe extern "C" fn(*mut T), make: impl FnOnce(*mut *mut T) -> sbk_status) -> Result<Self, String> {
        let mut object = null_mut();
        done(make(&mut object))?;
        Ok(Owned(object, free))
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        unsafe { self.1(self.0) }
    }
}

/// A &str is a pointer and a length already: no string is copied to cross the interface.
fn text(value: &str) -> (*const c_char, usize) {
    (value.as_ptr() as *const c_char, value.len())
}

fn done(status: sbk_status) -> Result<(), String> {
    match status {
        SBK_OK => Ok(()),
        _ => Err(unsafe { CStr::from_ptr(sbk_status_name(status)) }.to_string_lossy().into_owned()),
    }
}

impl Owned<sbk_event> {
    /// The string at a JSON pointer; it lives as long as the event.
    fn text(&self, pointer: &str) -> Option<&str> {
        let (mut size, (pointer, pointer_size)) = (0, text(pointer));
        unsafe {
            let found = sbk_event_text(self.0, pointer, pointer_size, &mut size);
            if found.is_null() { None } else { std::str::from_utf8(std::slice::from_raw_parts(found as *const u8, size)).ok() }
        }
    }

    fn bytes(&self) -> &[u8] {
        let mut size = 0;
        unsafe { std::slice::from_raw_parts(sbk_event_bytes(self.0, &mut size) as *const u8, size) }
    }
}

/// Waits for the completion of what was submitted; the error is for people.
fn complete(queue: &Owned<sbk_queue>, submitted: sbk_status) -> Result<Owned<sbk_event>, String> {
    done(submitted)?;
    loop {
        let event = Owned::new(sbk_event_free, |event| unsafe { sbk_queue_next(event, queue.0, -1) })?;
        if unsafe { sbk_event_get_kind(event.0) } != SBK_EVENT_COMPLETION {
            continue; // progress of the build
        }
        return done(unsafe { sbk_event_status(event.0) })
            .map_err(|class| format!("{}\n{}", event.text("/message").unwrap_or(&class), event.text("/remedy").unwrap_or("")))
            .map(|_| event);
    }
}

fn main_job() -> Result<(), String> {
    unsafe {
        let queue = Owned::new(sbk_queue_free, |queue| sbk_queue_new(queue))?;
        let mut options: sbk_engine_options = zeroed();
        options.struct_size = size_of::<sbk_engine_options>();
        (options.store, options.store_size) = text("sandboxes.db");
        let event = complete(&queue, sbk_engine_open(null_mut(), queue.0, 0, &options))?;
        let engine = Owned::new(sbk_engine_free, |engine| sbk_event_take_engine(engine, event.0))?;
        let (me, me_size) = text("me");
        let client = Owned::new(sbk_client_free, |client| sbk_client_new(client, engine.0, queue.0, me, me_size))?;
        done(sbk_client_add_every_scope(client.0))?;

        let (document, size) = text(r#"{"name": "hello", "setup_script": "echo hello > /root/greeting"}"#);
        let created = complete(&queue, sbk_profile_create(null_mut(), client.0, 0, document, size, null(), 0))?;
        let (profile, profile_size) = text(created.text("/id").unwrap());
        let published = complete(&queue, sbk_version_publish(null_mut(), client.0, 0, profile, profile_size))?;
        let (job, job_size) = text(published.text("/last_job").unwrap());
        let built = complete(&queue, sbk_job_wait(null_mut(), client.0, 0, job, job_size))?;
        if let Some(message) = built.text("/error/message") {
            return Err(message.to_string()); // waiting succeeds also when the job failed
        }

        let mut start: sbk_session_options = zeroed();
        start.struct_size = size_of::<sbk_session_options>();
        (start.profile, start.profile_size) = (profile, profile_size);
        let started = complete(&queue, sbk_session_start(null_mut(), client.0, 0, &start))?;
        let (session, session_size) = text(started.text("/id").unwrap());
        let command = Owned::new(sbk_command_free, |command| sbk_command_new(command))?;
        for argument in ["cat", "/root/greeting"] {
            let (argument, size) = text(argument);
            done(sbk_command_add_argument(command.0, argument, size))?;
        }
        let ended = complete(&queue, sbk_session_exec(null_mut(), client.0, 0, session, session_size, command.0, 0))?;
        std::io::stdout().write_all(ended.bytes()).map_err(|error| error.to_string())?;
        complete(&queue, sbk_session_remove(null_mut(), client.0, 0, session, session_size))?;
        Ok(())
    } // dropped in reverse: the engine is closed before the queue is freed
}

fn main() {
    if let Err(message) = main_job() {
        eprintln!("{}", message);
        std::process::exit(1);
    }
}
