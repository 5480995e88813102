// SPDX-License-Identifier: Apache-2.0
// The face of the library: an engine opened on a file.
//
// Every call carries a principal. Calls that touch only the store return at once with their result; calls that
// take time return an Operation, which can be waited for, observed and cancelled.
// Permissions: each call needs what permission.hpp says for it, and is refused with permission "not_permitted", which names what
// is missing; an Operation has failed then. Looked at in this order: the scopes, before anything is read; whether the profile,
// job or session exists; the access list, and whose session it is. A right that is taken away is gone at the next call, also of
// sessions that run; a Process or FileWatch that is open already is not asked again. `profiles` and `sessions` show what one may
// see.
//
// Threads: all functions may be called from any thread. Several processes may have the same store open.
#pragma once

#include <sandboxkit/clock.hpp>
#include <sandboxkit/edit.hpp>
#include <sandboxkit/error.hpp>
#include <sandboxkit/export.hpp>
#include <sandboxkit/files.hpp>
#include <sandboxkit/host.hpp>
#include <sandboxkit/log.hpp>
#include <sandboxkit/operation.hpp>
#include <sandboxkit/plan.hpp>
#include <sandboxkit/principal.hpp>
#include <sandboxkit/profile.hpp>
#include <sandboxkit/session.hpp>
#include <sandboxkit/snapshot.hpp>
#include <sandboxkit/timeline.hpp>
#include <sandboxkit/validation.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit {

class CredentialSource; // credentials.hpp
class Provider;
class ReferenceSource; // connections.hpp

struct EngineOptions {
    std::filesystem::path store{}; // the SQLite file; created with its directory (mode 0700) when absent
    // Where the local provider keeps layers, sandboxes and mirrors; a real file system, not overlayfs.
    // Empty: "<store>.state" beside the store, whose symbolic links are followed. Belongs to the effective user, and nobody
    // else can write it. A store is bound to the directory that it is first opened with, by the id in that directory's file
    // "id", so that the directory may be moved; it is not opened with another one: conflict "state_directory_elsewhere".
    // Several stores may share one.
    std::filesystem::path state_directory{};
    // The guest program. Empty: that of the environment variable SANDBOXKIT_GUEST, or else of the build tree while the library
    // runs from there, of the installation, or in ../libexec/sandboxkit beside the library or program.
    std::filesystem::path guest{};
    // The local provider's OCI runtime: "crun", "runc", "runsc", "kata-runtime", or the path of one. Empty: crun where it
    // runs and enforces the limits, else runc. One that does not run here is an error, never replaced by another.
    std::string runtime = {};
    // Providers of the host application, by the name that profiles use. "local" is built in unless given here.
    std::vector<std::shared_ptr<Provider>> providers{};
    // Makes a provider for a registered host of this provider, by the provider's name; called at the host's first use and again
    // after it was removed and added, on the engine's thread, so that it only makes and reaches nobody.
    std::map<std::string, std::function<Result<std::shared_ptr<Provider>>(const HostDefinition&)>> host_factories{};
    // What the host application knows that profiles refer to: connections, environments, and more of its own hosts (those of
    // `providers`) than that they are there. Null: nothing, and every reference is refused at publish.
    std::shared_ptr<ReferenceSource> references{};
    // Whom to ask for a credential when the server of a repository asks for one. Null: nobody, and a clone that needs one fails
    // with permission "credentials_required".
    std::shared_ptr<CredentialSource> credentials{};
    // Told what an operator wants to know. Empty: nobody.
    LogHandler log{};
    // Threads for what the local provider does, 1..64: with one, a start waits while an image is unpacked. Eight more serve the
    // store, clones and trees of files (four at a time).
    std::size_t workers = 4;
    // What the mirrors of repositories in the state directory may take, in bytes of their files: after a snapshot's clones those
    // used least recently are removed until it is so, but none that is in use. 0: none is kept; UINT64_MAX: all are.
    std::uint64_t mirror_bytes = 20ULL << 30;
    // Certificate authorities, in PEM, that may vouch for a git server as well as those in /etc/ssl/certs. Empty: none. libgit2
    // has one set of them for the process, so that they count for every engine in it until it ends; the file is read once. Opening is
    // a conflict "authorities_in_use" while other engines clone, and after one that gave another file.
    std::filesystem::path git_ca_file{};
    bool run_snapshot_jobs = true;   // whether this engine works on queued jobs; false: it only queues them
    std::shared_ptr<Clock> clock{};  // null: the system's
    std::shared_ptr<IdSource> ids{}; // null: the system's
    // Called on an engine thread before and after every store commit and provider call, with the step's name.
    // For tests that end the process at each; must not throw.
    std::function<void(std::string_view step)> on_step{};
};

struct ProfileInfo {
    std::string id; // "prf_..."
    Record record;
    std::uint32_t revision = 0; // grows by one with every kept edit, of the draft or of the record
    Timestamp created{};
    std::string created_by; // principal id
    bool has_draft = false;
    std::uint32_t draft_revision = 0;            // the revision at which the draft was saved last; 0: no draft
    std::optional<std::uint32_t> latest_version; // newest published
    std::optional<std::uint32_t> usable_version; // newest published with a usable snapshot
    std::uint32_t instructions_revision = 0;     // newest of the agent instructions; 0: there never were any
};

struct KeptEdit {
    // As it is afterwards. For one who may edit the access list and not see the profile: its name and that list only.
    ProfileInfo profile;
    std::vector<FieldChange> changes; // what the edit changed; empty: nothing, and the revision is as it was
};

// A version's snapshot on one host: it is there, or was asked for.
struct HostSnapshot {
    std::string host;
    SnapshotState state = SnapshotState::none;
    std::optional<ImageHandle> image; // of the usable one, like the two that follow
    std::optional<Manifest> manifest;
    std::optional<Timestamp> made;
    std::optional<std::string> last_job; // for this host
};

struct VersionInfo {
    std::string profile;
    std::uint32_t number = 0; // 1, 2, ...
    std::string digest;       // "sha256:<hex>" over the canonical recipe
    Recipe recipe;
    Timestamp published{};
    std::string published_by;
    // Of all hosts: the usable snapshot made last, and the last job.
    SnapshotState snapshot = SnapshotState::none;
    std::optional<ImageHandle> image;
    std::optional<Manifest> manifest; // of the usable snapshot
    RebuildDecision decision;         // against the version before
    std::optional<std::string> last_job;
    std::vector<HostSnapshot> snapshots; // by name of host
};

struct JobInfo {
    std::string id; // "job_..."
    std::string profile;
    std::uint32_t version = 0;
    std::string host; // that the snapshot is for
    JobTrigger trigger = JobTrigger::publish;
    JobState state = JobState::queued;
    BuildPhase phase = BuildPhase::queued; // of a failed job: where it failed
    std::uint32_t attempt = 0;
    std::optional<Error> error;
    Timestamp created{};
    std::optional<Timestamp> started, finished;
};

struct SessionInfo {
    std::string id; // "ses_..."
    std::string profile;
    std::uint32_t version = 0;
    std::uint32_t instructions_revision = 0; // of the profile's agent instructions, when it was made; 0: none
    SessionState state = SessionState::starting;
    std::string host;                        // where it runs, resumed or not: chosen at its start
    std::string provider, sandbox_id, owner; // owner: principal id
    Timestamp created{};
    std::optional<Timestamp> idle_deadline, deadline;
    std::vector<std::string> notes; // what a user should know: unenforced limits, stale snapshot
    std::optional<Error> error;     // why it failed, or why it was stopped
    Timeline timeline;              // of the latest start
};

// Whether a test of the profile said that it works. One that was never tested is never shown as healthy.
enum class TestState : std::uint8_t { not_yet_tested, passed, failed };

struct Overview {
    ProfileInfo profile;
    std::optional<VersionInfo> in_use;              // that new sessions start from: the newest with a usable snapshot
    std::optional<VersionInfo> latest;              // newest published
    std::map<SessionState, std::uint64_t> sessions; // how many, by state; a state that none is in is left out
    std::uint64_t active_jobs = 0;                  // queued or running
    std::vector<EditProposal> proposals;            // open ones, oldest first
    std::vector<ActivityEntry> activity;            // the latest ten, newest first
    TestState test = TestState::not_yet_tested;
};

struct StartOptions {
    std::string profile{};
    std::optional<std::uint32_t> version{}; // absent: the newest that has a usable snapshot on some host
    // At most 200 bytes. A second start by the same principal with the same token returns the first's session, or its error if
    // it failed; for another profile, version or limits it is a conflict "client_token_reused". A start whose process was
    // killed is finished by the next engine; without a token it is undone, as nobody knows its session.
    std::string client_token{};
    // Both 1 s to 100 years, and looked at once a second by every engine that has the store open, and at its opening.
    std::optional<std::chrono::seconds> idle_limit{}; // stopped after so long, but not under 3 s, without a call or Process
    std::optional<std::chrono::seconds> time_limit{}; // stopped so long after its start
};

// What long work tells while it runs.
struct Progress {
    BuildPhase phase = BuildPhase::queued;
    std::string message;               // one line: "cloning app", or empty
    std::uint64_t done = 0, total = 0; // bytes or objects, total 0: unknown
    std::string output;                // a chunk of the setup script's output, or empty
};
// On an engine thread, one call at a time, none after the operation has completed; must not block.
using ProgressHandler = std::function<void(const Progress&)>;

// A process in a session. Movable handle; dropping it leaves the process running: attach_process finds it again. While it is held
// and its end was not read, the session is not idle. It may outlive its engine: its operations then are a conflict
// "engine_closed", and the process runs on.
class SANDBOXKIT_API Process {
public:
    class Impl;
    explicit Process(std::shared_ptr<Impl> impl);

    [[nodiscard]] const std::string& id() const; // for attach_process: "cmd_..." of one that this library started
    [[nodiscard]] std::uint32_t pid() const;     // inside the sandbox
    // The next chunk of output, or the end, once. Not calling it holds the process back when its pipe is full. A connection that
    // breaks is made again, where the sandbox keeps output, and nothing is lost but what an event's offset says.
    // unavailable "guest_disconnected": it broke for good. "guest_unreachable": nobody answers there any more.
    Operation<ProcessEvent> next();
    // To its standard input or its terminal; completes when that has taken it.
    Operation<void> write(std::string bytes);
    Operation<void> close_stdin();             // of a terminal: write what its user would type, "\x04"
    Operation<void> resize(TerminalSize size); // of its terminal
    Operation<void> signal(int number);        // to its whole process group

private:
    std::shared_ptr<Impl> impl_;
};

// What happens to the files below a directory. Movable handle; dropping it ends the watch. While it is held, the session is not
// idle. Like a Process, it may outlive its engine.
class SANDBOXKIT_API FileWatch {
public:
    class Impl;
    explicit FileWatch(std::shared_ptr<Impl> impl);

    // Waits for the next change. An error ends the watch; quota: more happened than was taken in time.
    Operation<FileEvent> next();

private:
    std::shared_ptr<Impl> impl_;
};

// What this host can do, for people and for programs.
struct DoctorCheck {
    std::string name; // "overlayfs", "runtime", "memory limit", ...
    enum class Status : std::uint8_t { ok, warning, missing } status = Status::ok;
    std::string message; // one line
    std::string remedy;  // what to do; empty when ok
};

class SANDBOXKIT_API Engine {
public:
    // Opens or creates the store, then reconciles: takes up or undoes what a dead process left.
    static Result<Engine> open(EngineOptions options);
    // Looks at this machine, with trials in the state directory's file system, and at the Docker daemon of the managed host
    // "docker", without which only that host is lacking; opens no store and leaves nothing behind.
    // Without a store and a state directory: the file system of temporary files.
    static std::vector<DoctorCheck> doctor(const EngineOptions& options);

    Engine(Engine&&) noexcept;
    Engine& operator=(Engine&&) noexcept;
    // Cancels what is running, waits for it, ends the threads. Sandboxes keep running.
    ~Engine();

    // Profiles. `document` is the JSON of a profile (docs/profile.md). Reading it is the first of three gates: form, types, and
    // values that look like credentials (invalid "profile_invalid", all problems at once); publishing is the second, a session's
    // start the third.
    // `client_token`: at most 200 bytes; the same principal and token again returns the profile that was made first, whatever
    // became of it and whatever the document says now. Empty: none.
    Result<ProfileInfo> create_profile(const Principal& who, std::string_view document, std::string_view client_token = {});
    Result<ProfileInfo> profile(const Principal& who, std::string_view profile_id) const;
    Result<std::vector<ProfileInfo>> profiles(const Principal& who) const;
    // The draft as a whole document; without a draft, of the newest version.
    Result<Profile> draft(const Principal& who, std::string_view profile_id) const;
    Result<Overview> overview(const Principal& who, std::string_view profile_id) const;
    // A new profile with the draft, or else the newest version, and the record of another: its access list too, its triggers and
    // schedule turned off. Its versions, snapshots and history stay where they are. Empty name: that of the other, and " (copy)".
    Result<ProfileInfo> duplicate_profile(const Principal& who, std::string_view profile_id, std::string_view name = {});
    // Its versions and its activity can no longer be used, and are kept. conflict "profile_in_use" while one of its sessions has
    // not ended; `force` removes them first.
    Operation<void> delete_profile(const Principal& who, std::string_view profile_id, bool force = false);

    // Edits. Those of the recipe make the draft, or lead back to the newest version, and then there is none; those of the record
    // act at once, and so are refused here when they ask a published profile for what this build does not enact. What is kept
    // raises the revision and is in the activity log. With `expected_revision`, a profile changed meanwhile is a conflict
    // "stale_revision"; without, whatever is there is edited. Of the access list: Action::edit_access_list.
    Result<KeptEdit> edit_draft(const Principal& who, std::string_view profile_id, std::string_view document,
                                std::optional<std::uint32_t> expected_revision = {});
    Result<KeptEdit> edit_section(const Principal& who, std::string_view profile_id, const SectionEdit& edit);
    // Checks the edit like one that is kept, and stores it with its difference, for somebody to keep or discard.
    // quota "too_many_proposals": 100 of a profile are open.
    Result<EditProposal> propose_edit(const Principal& who, std::string_view profile_id, const SectionEdit& edit);
    // conflict "stale_revision" when it would no longer change what it showed; "proposal_closed" when it was kept or discarded.
    Result<KeptEdit> keep_edit(const Principal& who, std::string_view proposal_id);
    Result<EditProposal> discard_edit(const Principal& who, std::string_view proposal_id);
    Result<std::vector<EditProposal>> proposals(const Principal& who, std::string_view profile_id) const; // open, oldest first

    // The history of the agent instructions, newest first; restoring makes the old text the newest revision.
    Result<std::vector<InstructionsRevision>> instructions(const Principal& who, std::string_view profile_id) const;
    Result<std::string> instructions_text(const Principal& who, std::string_view profile_id, std::uint32_t revision) const;
    Result<KeptEdit> restore_instructions(const Principal& who, std::string_view profile_id, std::uint32_t revision);

    // What was done to a profile, newest first: at most `limit` (1..1000) entries, those before the sequence number `before`.
    // Also of a deleted one.
    Result<std::vector<ActivityEntry>> activity(const Principal& who, std::string_view profile_id, std::uint32_t limit = 100,
                                                std::optional<std::int64_t> before = {}) const;

    // Reads without storing anything: every problem that `gate` and those before it would find. At Gate::start: as if the
    // document were published and a session started from it now.
    Operation<Validation> validate(const Principal& who, std::string document, Gate gate);

    // A version as one file, which shows when it was changed on the way; a profile made from such a file has the version's recipe
    // as its draft, with the same digest. Empty name: that in the file.
    Result<std::string> export_version(const Principal& who, std::string_view profile_id, std::uint32_t version) const;
    Result<ProfileInfo> import_version(const Principal& who, std::string_view file, std::string_view name = {});

    // Versions. Publishing freezes the draft, decides reuse or rebuild, and queues the snapshot job.
    Operation<VersionInfo> publish(const Principal& who, std::string_view profile_id);
    Result<VersionInfo> version(const Principal& who, std::string_view profile_id, std::uint32_t number) const;
    Result<std::vector<VersionInfo>> versions(const Principal& who, std::string_view profile_id) const;

    // Hosts. A profile runs on the host that it names, else on the default one, else on the managed one of its provider's name;
    // that is found out when it is published, for the snapshot, and at each start.
    // invalid "host_invalid" with every problem; conflict "host_exists", also for the name of a managed host. Reaches nobody:
    // test_host() does.
    Result<HostInfo> add_host(const Principal& who, const HostDefinition& definition);
    Result<HostInfo> host(const Principal& who, std::string_view name) const; // not_found "no_host"
    Result<std::vector<HostInfo>> hosts(const Principal& who) const;          // the managed ones, then the registered
    // Whatever becomes of it is an answer: within ten seconds, "down" or what else it is.
    Operation<HostStatus> test_host(const Principal& who, std::string_view name);
    // Of a registered one. conflict "host_in_use" while it has sessions that have not ended, snapshots, or jobs; with `force`
    // these are given up: in the store only, so that what is on the host itself stays there.
    Result<void> remove_host(const Principal& who, std::string_view name, bool force = false);
    // Of a host that is `replaced`, else conflict "host_not_replaced": asks it, gives up what was there, takes it as it is. Until
    // then nothing starts there, and nothing there is looked after: unavailable "host_replaced".
    Result<void> accept_host(const Principal& who, std::string_view name);
    // Where profiles run that name no host; empty: each on the managed host of its provider.
    Result<void> set_default_host(const Principal& who, std::string_view name);

    // Snapshots. Of one host: the one that is named, else that of a start now.
    Result<JobInfo> refresh_snapshot(const Principal& who, std::string_view profile_id, std::uint32_t version,
                                     std::string_view host = {});
    Result<JobInfo> job(const Principal& who, std::string_view job_id) const;
    Result<std::vector<JobInfo>> jobs(const Principal& who, std::string_view profile_id) const;
    // What the build printed: at most 1 MiB, the middle left out with a marker.
    Result<std::string> job_log(const Principal& who, std::string_view job_id) const;
    Result<JobInfo> cancel_job(const Principal& who, std::string_view job_id);
    // Completes when the job is no longer active, whoever runs it. Cancelling stops the waiting, not the job.
    Operation<JobInfo> wait_for_job(const Principal& who, std::string_view job_id, ProgressHandler progress = {});

    // Sessions. conflict "snapshot_not_ready": the version has no usable snapshot on the host. If none was ever asked for there,
    // it is now; the message names the host and the job to wait for.
    Operation<SessionInfo> start_session(const Principal& who, StartOptions options);
    Result<SessionInfo> session(const Principal& who, std::string_view session_id) const;
    Result<std::vector<SessionInfo>> sessions(const Principal& who, bool include_ended = false) const;
    Operation<SessionInfo> stop_session(const Principal& who, std::string_view session_id);
    Operation<SessionInfo> resume_session(const Principal& who, std::string_view session_id);
    Operation<SessionInfo> remove_session(const Principal& who, std::string_view session_id);

    // Runs a command and collects its output, `output_limit` bytes a stream at most. Cancelling kills its process group.
    Operation<ExecResult> exec(const Principal& who, std::string_view session_id, ExecRequest request,
                               std::uint64_t output_limit = 16ULL << 20);
    // Starts a command and streams. Cancelling before it has started leaves none.
    Operation<Process> start_process(const Principal& who, std::string_view session_id, ExecRequest request);
    // Those that somebody started and that run.
    Operation<std::vector<ProcessInfo>> processes(const Principal& who, std::string_view session_id);
    // A process by its id, whoever started it, also from another host process; one that ended is known for a while. With
    // `offset`, its output from there on (0: all that is kept); without, what nobody has read yet.
    // Several may be attached: each gets the output.
    Operation<Process> attach_process(const Principal& who, std::string_view session_id, std::string process_id,
                                      std::optional<std::uint64_t> offset = {});

    // To the process group of a process that runs, by its id.
    Operation<void> signal_process(const Principal& who, std::string_view session_id, std::string process_id, int number);

    // Files, as root. Paths are absolute in the sandbox.
    // At most 64 MiB: quota "file_too_large".
    Operation<std::string> read_file(const Principal& who, std::string_view session_id, std::string path);
    // Makes missing directories above it.
    Operation<void> write_file(const Principal& who, std::string_view session_id, std::string path, std::string bytes);
    Operation<FileInfo> file_info(const Principal& who, std::string_view session_id, std::string path);
    // Of a directory, and of those below it to the depth of `depth` (1: only its own), without an order.
    Operation<std::vector<FileInfo>> list_directory(const Principal& who, std::string_view session_id, std::string path,
                                                    std::uint32_t depth = 1);
    // With those above it; conflict if it is there.
    Operation<FileInfo> make_directory(const Principal& who, std::string_view session_id, std::string path);
    Operation<FileInfo> move_file(const Principal& who, std::string_view session_id, std::string from, std::string to);
    // A directory with all that it holds. What is not there is removed.
    Operation<void> remove_file(const Principal& who, std::string_view session_id, std::string path);
    // The tree below a path of this machine, or the one file that it is, into a directory of the sandbox, which is made if it is
    // missing; it belongs to root there. Kept: permissions, times, symbolic and hard links, holes. Left out: sockets and devices.
    // The other way, it belongs to this process's user, nobody else may write it, and there are no set-user-id and set-group-id
    // bits; directories that are there stay as they are, nothing outside of the directory is written, whatever the sandbox sends,
    // and more than `limits` is refused: quota "tree_too_large". Either way, what is there and has no counterpart stays, and what
    // was done before an error, too. Where sandboxes do not run sandboxkit-guest: unsupported "trees_not_supported".
    Operation<TreeSummary> upload_tree(const Principal& who, std::string_view session_id, std::filesystem::path from,
                                       std::string to_directory);
    Operation<TreeSummary> download_tree(const Principal& who, std::string_view session_id, std::string from,
                                         std::filesystem::path to_directory, TreeLimits limits = {});
    // Completes when every change from then on will be told. `recursive`: in the directories below it, too.
    Operation<FileWatch> watch_directory(const Principal& who, std::string_view session_id, std::string path,
                                         bool recursive = false);

    // Compares the store with the providers now; what open() and a timer do.
    Operation<void> reconcile(const Principal& who);

    // The provider of a host, for whoever checks it with conformance.hpp. What it was asked has to be over before the engine
    // closes.
    Operation<std::shared_ptr<Provider>> provider(const Principal& who, std::string host);

private:
    class Impl;
    explicit Engine(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace sandboxkit
