// SPDX-License-Identifier: Apache-2.0
// Durable state behind domain verbs. Every verb is one transaction: when it returns a value, that value is on disk
// (WAL, synchronous=FULL); when it returns an error, nothing changed.
// Threads: all verbs may be called from any thread; they block (SQL), so the engine calls them from its worker pool.
// Several processes may have the same file open.
#pragma once

#include <sandboxkit/clock.hpp>
#include <sandboxkit/edit.hpp>
#include <sandboxkit/engine.hpp>
#include <sandboxkit/error.hpp>
#include <sandboxkit/principal.hpp>
#include <sandboxkit/snapshot.hpp>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::store {

inline constexpr int schema_version = 3; // of the newest migration

struct Options {
    // Called before and after each commit with the verb's name ("publish_draft", "migrate"); for crash tests. May be empty.
    // It may end the process; it must not call the store or throw. A verb that changes nothing does not commit.
    std::function<void(std::string_view verb, bool after)> on_commit{};
};

// Who did it and by which way, for the activity log.
struct Actor {
    std::string principal{};
    Channel channel = Channel::api;
};

// A profile without its recipe, which is in its draft and its versions.
struct Profile {
    std::string id;
    std::string name;
    std::string record;         // canonical JSON of the rest of the record; the store does not look inside
    std::uint32_t revision = 0; // grows by one with every kept edit, of the recipe or of the record
    Timestamp created{};
    std::string created_by;
    std::uint32_t draft_revision = 0;            // the profile's revision at which the draft was saved last; 0: no draft
    std::optional<std::uint32_t> latest_version; // newest published
    std::optional<std::uint32_t> usable_version; // newest published with a usable snapshot
    std::uint32_t instructions_revision = 0;     // newest of the agent instructions; 0: there never were any
};

// A draft or version as stored: the recipe in canonical JSON.
struct Draft {
    std::string profile;
    std::uint32_t revision = 0; // of the profile, when it was saved
    std::string recipe;         // canonical JSON
    std::string digest;
};

// `detail`, here and below, is a JSON object for the activity log. The store puts its own members before those given: what only
// it knows, like the new revision.
struct NewProfile {
    std::string id, name, record, recipe, digest; // record, recipe: canonical JSON
    Actor actor{};
    Timestamp now{};
    std::string client_token{};                // empty: none
    std::optional<std::string> instructions{}; // the agent instructions' first revision; absent: none
    std::string detail = "{}";
};

// One kept edit of a profile. `name` and `record` are always the new ones, whole.
struct Save {
    std::optional<std::uint32_t> expected{}; // what the profile's `revision` must be
    std::string name{}, record{};
    std::optional<std::string> recipe{}; // of the draft, with `digest`; absent: the draft stays as it is, and none is made
    std::string digest{};
    // The recipe is that of the newest version again: the draft is removed. Without `recipe`; `digest` is that version's, and
    // must be so still (conflict "stale_revision"): else the edit would be lost to a publish in between.
    bool drop_draft = false;
    std::optional<std::string> instructions{}; // appended to their history; empty text: "no instructions" from here on
    Actor actor{};
    std::string section{};     // of the edit, e.g. "resources" or "document"
    std::string detail = "{}"; // the store adds "revision", and "instructions_revision" and "proposal" where there is one
    bool unpublished = false;  // the edit holds only while there is no version: else conflict "stale_revision"
    std::string proposal{};    // this one becomes kept in the same transaction; empty: none
    Timestamp now{};
};

// An edit that is kept or discarded later, perhaps by another program.
struct NewProposal {
    std::string id, profile;
    std::uint32_t base_revision = 0; // the profile's revision that the edit was made on; recorded, not looked at
    std::string section;
    std::string edit, changes; // JSON; the store does not look inside
    Actor actor{};
    Timestamp now{};
};

struct Proposal {
    std::string id, profile;
    std::uint32_t base_revision = 0;
    std::string section, edit, changes;
    Actor actor{}; // who proposed it
    Timestamp proposed{};
    ProposalState state = ProposalState::open;
    std::optional<Timestamp> closed{};
    std::string closed_by{}; // principal; empty: open
};

inline constexpr std::uint32_t open_proposals_limit = 100; // a profile

// What a profile is used by now.
struct Usage {
    std::map<SessionState, std::uint64_t> sessions; // a state that none is in is left out
    std::uint64_t active_jobs = 0;                  // queued or running
};

struct Publish {
    std::string profile;
    // The revisions of the draft, and of the profile (absent: any), that were validated; changed meanwhile: conflict
    // "draft_changed".
    std::uint32_t draft_revision = 0;
    std::optional<std::uint32_t> profile_revision{};
    std::string decision; // JSON of the RebuildDecision
    std::string plan_snapshot_digest;
    std::string host; // that the snapshot is for
    Actor actor{};
    // Reuse: the image and manifest of the previous version there; otherwise a job is queued with this id.
    std::optional<ImageHandle> reuse_image;
    std::string reuse_manifest; // JSON
    std::string job_id;
    Timestamp now{};
};

// A version's snapshot on one host: made, or once asked for.
struct Snapshot {
    std::string host;
    std::optional<ImageHandle> image; // usable, if any
    std::string manifest;             // JSON of the usable one's; empty: none
    bool stale = false;
    std::optional<Timestamp> made;       // when the usable one was
    std::optional<std::string> last_job; // for this host
    std::optional<JobState> last_job_state;
    // none / pending / ready / stale / failed, from the members above.
    [[nodiscard]] SnapshotState state() const;
};

struct Version {
    std::string profile;
    std::uint32_t number = 0;
    std::string recipe, digest, plan_snapshot_digest; // recipe: canonical JSON
    std::string decision;                             // JSON
    std::string published_by;
    Timestamp published{};
    std::vector<Snapshot> snapshots; // by name of host
    // Of all hosts: the usable snapshot that was made last, if any, and the last job.
    std::optional<ImageHandle> image;
    std::string manifest; // JSON of the usable snapshot's; empty: none
    bool stale = false;
    std::optional<std::string> last_job;
    std::optional<JobState> last_job_state;
    // none / pending / ready / stale / failed, from the members above.
    [[nodiscard]] SnapshotState snapshot_state() const;
    // Null: never asked for.
    [[nodiscard]] const Snapshot* on(std::string_view host) const;
};

struct NewSession {
    std::string id, profile;
    Actor actor{};            // its principal owns the session
    std::string client_token; // empty: none
    std::uint32_t version = 0;
    std::string host, provider;
    std::string image_id;       // pinned: an image that a session not yet ended uses is not collected
    std::string creation_token; // of the provider's idempotent create
    std::string engine;         // the engine that performs the start
    std::optional<std::chrono::seconds> idle_limit, time_limit;
    Timestamp now{};
};

struct Session {
    std::string id, profile, principal, client_token, host, provider, image_id, creation_token;
    std::string engine; // that performs or performed the latest transition
    std::uint32_t version = 0;
    std::uint32_t instructions_revision = 0; // that the profile had when the session was created; 0: none
    SessionState state = SessionState::starting;
    std::string sandbox_id; // empty: not known yet
    std::optional<std::chrono::seconds> idle_limit, time_limit;
    std::optional<Timestamp> idle_deadline, deadline;
    Timestamp created{};
    std::string timeline, notes, error; // JSON; empty: none
};

// What a transition of a session changes; absent members stay as they are.
struct SessionChange {
    std::optional<std::string> engine{}, sandbox_id{}, timeline{}, notes{}, error{};
    std::optional<std::optional<Timestamp>> idle_deadline{}, deadline{}; // present but empty: cleared
    std::optional<Actor> actor{}; // who asked, for the activity log; absent: the session's own principal, channel api
    // Not changed but looked at: conflict "session_state" when another engine performs the session's transition by now.
    std::optional<std::string> expected_engine{};
};

struct Job {
    JobInfo info;
    std::string lease_owner; // engine id; empty: none
    std::optional<Timestamp> lease_until;
};

struct NewHost {
    std::string name;
    std::string definition; // JSON; the store does not look inside
    std::string principal;
    Timestamp now{};
};

// A registered host.
struct Host {
    std::string name, definition;
    Timestamp created{};
    std::string created_by;
};

// What was given up with a host.
struct GivenUp {
    std::vector<std::string> sessions, jobs; // ids
    std::uint64_t snapshots = 0;
};

// The state directory that a store belongs to.
struct StateDirectory {
    std::string id;             // as in the directory itself
    std::filesystem::path path; // where it was when it was recorded; for people
};

// That a credential was asked for, and what came of it: never the credential.
struct CredentialRecord {
    std::string profile{};
    std::uint32_t version = 0;
    std::string job{}, session{}; // one of them: whose principal is who used it
    std::string detail = "{}";
    Timestamp now{};
};

// What the git of a session did at the server of a repository.
struct GitRecord {
    std::string session{}; // whose principal it was
    std::string action{};  // "git.fetch" or "git.push"
    std::string detail = "{}";
    Timestamp now{};
};

struct Activity {
    std::int64_t sequence = 0;
    Timestamp at{};
    std::string principal;
    Channel channel = Channel::api;
    std::string profile, action;
    std::string section; // of an edit; empty: none
    std::string detail;  // JSON
};

class Store {
public:
    // Opens or creates; runs the missing migrations. A store from a newer build: data_loss "store_too_new". A damaged
    // file: data_loss "store_damaged". A directory that is missing is created with mode 0700, the file with 0600.
    // Another application's SQLite file: invalid "not_a_store". Any verb: quota "disk_full", permission "store_read_only",
    // unavailable "store_busy" (another process held the lock for 10 s) or "store_io_error", data_loss "store_damaged".
    static Result<std::unique_ptr<Store>> open(const std::filesystem::path& file, Options options = {});
    virtual ~Store() = default;

    // Profiles. A verb that is given the id of a deleted one says not_found "profile_deleted" ("no_profile": there never was
    // one); activity() alone still tells of it. Its ended sessions and jobs can be read by their own ids and in their lists.

    // With its first draft, revision 1. The same principal and client token again: the profile made first, with `created`
    // false, whatever else was asked for then.
    struct CreatedProfile {
        Profile profile;
        bool created = true;
    };
    virtual Result<CreatedProfile> create_profile(const NewProfile&) = 0;
    virtual Result<Profile> profile(std::string_view id) = 0;
    virtual Result<std::vector<Profile>> profiles() = 0;       // by creation time
    virtual Result<Draft> draft(std::string_view profile) = 0; // not_found "no_draft"
    // Keeps an edit: "edit.keep" in the activity log. conflict "stale_revision" unless the profile is at save.expected.
    // not_found "no_proposal", conflict "proposal_closed" for one that is not this profile's, or not open.
    virtual Result<Profile> save(std::string_view profile, const Save& save) = 0;
    // Its queued and running jobs are cancelled (an owner finds its lease lost), its open proposals discarded, its draft and
    // its hold on images removed; versions and activity stay. conflict "profile_in_use" while one of its sessions has not
    // ended; `detail` has the ids of the first of them, one a line.
    virtual Result<void> delete_profile(std::string_view id, const Actor& actor, Timestamp now) = 0;
    virtual Result<Usage> usage(std::string_view profile) = 0;

    // Edits to be kept later. quota "too_many_proposals" when open_proposals_limit of the profile's are open.
    virtual Result<Proposal> propose(const NewProposal&) = 0;
    virtual Result<Proposal> proposal(std::string_view id) = 0;                    // not_found "no_proposal"
    virtual Result<std::vector<Proposal>> proposals(std::string_view profile) = 0; // the open ones, oldest first
    // conflict "proposal_closed". A proposal is kept by save().
    virtual Result<Proposal> discard_proposal(std::string_view id, const Actor& actor, Timestamp now) = 0;

    // The history of a profile's agent instructions, append-only by constraint. Only create_profile() and save() add to it.
    virtual Result<std::vector<InstructionsRevision>> instructions(std::string_view profile) = 0; // newest first
    virtual Result<std::string> instructions_text(std::string_view profile,
                                                  std::uint32_t revision) = 0; // not_found "no_instructions"

    // Versions. Publishing removes the draft, makes the next number, and queues the job or takes the reused image, in one
    // transaction. conflict "no_change" when the digest equals the newest version's; "image_replaced" when no version has
    // reuse_image any more: once unused it may be collected at any moment.
    virtual Result<Version> publish_draft(const Publish&) = 0;
    virtual Result<Version> version(std::string_view profile, std::uint32_t number) = 0;
    virtual Result<std::vector<Version>> versions(std::string_view profile) = 0; // by number
    virtual Result<std::optional<Version>> newest_usable_version(std::string_view profile) = 0;
    // Marks ready snapshots on these images of the host stale, or fresh again.
    virtual Result<void> set_stale(std::string_view host, std::string_view image, bool stale) = 0;
    // Ids of images of the host that versions use, or sessions not yet ended.
    virtual Result<std::set<std::string>> images_in_use(std::string_view host) = 0;

    // Snapshot jobs. At most one queued or running job a version and host: conflict "job_active".
    virtual Result<Job> enqueue_snapshot_job(std::string_view id, std::string_view profile, std::uint32_t version,
                                             std::string_view host, JobTrigger trigger, const Actor& actor, Timestamp now) = 0;
    // The oldest queued job, or a running one whose lease ran out or whose owner `is_dead` says is gone; it becomes running,
    // owned by `engine` until now + lease, its attempt counted. None: an empty optional. Never one of `at_work`: those that
    // `engine` itself has not done with, whatever became of their leases. `given_up` is told, once it is recorded, of each job
    // that was begun too often and has failed here.
    virtual Result<std::optional<Job>> lease_next_job(std::string_view engine, Timestamp now, std::chrono::milliseconds lease,
                                                      const std::function<bool(std::string_view engine)>& is_dead,
                                                      const std::set<std::string>& at_work = {},
                                                      const std::function<void(const JobInfo&)>& given_up = {}) = 0;
    // conflict "lease_lost" when the job is no longer running for `engine` (also below).
    virtual Result<void> renew_lease(std::string_view job, std::string_view engine, Timestamp now,
                                     std::chrono::milliseconds lease) = 0;
    virtual Result<void> set_job_phase(std::string_view job, std::string_view engine, BuildPhase phase) = 0;
    // Appends; the store keeps the first and last 512 KiB and a marker between.
    virtual Result<void> append_job_log(std::string_view job, std::string_view engine, std::string_view bytes) = 0;
    // The version's usable image is replaced in the same transaction.
    virtual Result<void> succeed_job(std::string_view job, std::string_view engine, const ImageHandle& image,
                                     std::string_view manifest, Timestamp now) = 0;
    virtual Result<void> fail_job(std::string_view job, std::string_view engine, BuildPhase phase, const Error& error,
                                  Timestamp now) = 0;
    // running -> queued without counting the attempt: the engine closes and did not finish.
    virtual Result<void> release_job(std::string_view job, std::string_view engine) = 0;
    // Queued: cancelled at once. Running: cancelled, and the owner finds its lease lost. Ended: conflict "job_ended".
    virtual Result<Job> cancel_job(std::string_view job, const Actor& actor, Timestamp now) = 0;
    virtual Result<Job> job(std::string_view id) = 0;
    virtual Result<std::vector<Job>> jobs(std::string_view profile) = 0; // newest first; empty profile: all
    virtual Result<std::string> job_log(std::string_view id) = 0;

    // Sessions. The same principal and client token returns the session made first, with `created` false.
    // conflict "image_replaced" when the image is not (or no longer) a usable snapshot of the version: read the version again.
    struct Created {
        Session session;
        bool created = true;
    };
    virtual Result<Created> create_session(const NewSession&) = 0;
    virtual Result<Session> session(std::string_view id) = 0;
    virtual Result<std::vector<Session>> sessions(bool include_ended) = 0; // by creation time
    // Compare and set: conflict "session_state" unless the session is in `from`; a transition that may_become forbids is
    // internal.
    virtual Result<Session> move_session(std::string_view id, SessionState from, SessionState to, const SessionChange& change,
                                         Timestamp now) = 0;
    // Only while in `state`.
    virtual Result<Session> change_session(std::string_view id, SessionState state, const SessionChange& change) = 0;

    // Hosts. Names of managed ones are the engine's to know. conflict "host_exists" for a name that is taken.
    virtual Result<Host> add_host(const NewHost&) = 0;
    virtual Result<Host> host(std::string_view name) = 0; // not_found "no_host"
    virtual Result<std::vector<Host>> hosts() = 0;        // by name
    // With what is known of it. conflict "host_in_use" while it has sessions that have not ended, jobs that have not or usable
    // snapshots, unless `force`: then they are given up, as by give_up_host(). It is the default host no more.
    virtual Result<GivenUp> remove_host(std::string_view name, bool force, const Actor& actor, Timestamp now) = 0;
    // Of whatever host: its sessions end (failed or removed, with the error "host_given_up"), its jobs are cancelled, its
    // snapshots and its identity forgotten. In the store only.
    virtual Result<GivenUp> give_up_host(std::string_view name, const Actor& actor, Timestamp now) = 0;
    virtual Result<std::map<std::string, std::string>> host_identities() = 0; // by name of host
    // The identity that the host had first, which is this one if none was known.
    virtual Result<std::string> host_identity(std::string_view name, std::string_view identity) = 0;
    virtual Result<std::optional<std::string>> default_host() = 0;
    virtual Result<void> set_default_host(const std::optional<std::string>& name) = 0;

    // The activity log is append-only by constraint (triggers). Newest first, at most `limit` of them; `before`: only those
    // whose sequence is smaller, to go on from the last one read. Also of a deleted profile.
    virtual Result<std::vector<Activity>> activity(std::string_view profile, std::optional<std::int64_t> before,
                                                   std::uint32_t limit) = 0;

    // "credential.use" in the activity log. not_found "no_job" or "no_session".
    virtual Result<void> record_credential(const CredentialRecord&) = 0;
    // Its action in the activity log. not_found "no_session".
    virtual Result<void> record_git(const GitRecord&) = 0;

    // The identity of this store, made when it was created ("eng_..." is per process, this is per file).
    virtual Result<std::string> store_id() = 0;
    // None: not bound yet.
    virtual Result<std::optional<StateDirectory>> state_directory() = 0;
    // Binds the store, unless it is bound; returns the state directory that it is bound to then.
    virtual Result<StateDirectory> bind_state_directory(const StateDirectory& directory) = 0;
};

// JSON of what the rows above carry.
std::string to_json(const RebuildDecision&);
std::string to_json(const std::vector<FieldChange>&);
std::string to_json(const Manifest&);
std::string to_json(const Timeline&);
std::string to_json(const Error&);
std::string to_json(const std::vector<std::string>& notes);
Result<RebuildDecision> decision_from_json(std::string_view);
Result<std::vector<FieldChange>> changes_from_json(std::string_view);
Result<Manifest> manifest_from_json(std::string_view);
Result<Timeline> timeline_from_json(std::string_view);
Result<Error> error_from_json(std::string_view);
Result<std::vector<std::string>> notes_from_json(std::string_view);

} // namespace sandboxkit::store
