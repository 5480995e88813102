// SPDX-License-Identifier: Apache-2.0
// The store over SOCI. One member function a verb; they are in profiles.cpp, edits.cpp, instructions.cpp, activity.cpp,
// versions.cpp, jobs.cpp, job_log.cpp, sessions.cpp and hosts.cpp.
#pragma once

#include "store/connection.hpp"
#include "store/failure.hpp"
#include "store/fork_safety.hpp"
#include "store/store.hpp"

#include <boost/json/object.hpp>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace sandboxkit::store {

class SqlStore final : public Store {
public:
    SqlStore(OpenFile open_file, std::filesystem::path file, Options options)
        : open_file_(std::move(open_file)), options_(std::move(options)), pool_(std::move(file)) {}

    // Migrates and checks. Throws.
    void prepare();

    Result<CreatedProfile> create_profile(const NewProfile& request) override;
    Result<Profile> profile(std::string_view id) override;
    Result<std::vector<Profile>> profiles() override;
    Result<Draft> draft(std::string_view profile) override;
    Result<Profile> save(std::string_view profile, const Save& save) override;
    Result<void> delete_profile(std::string_view id, const Actor& actor, Timestamp now) override;
    Result<Usage> usage(std::string_view profile) override;

    Result<Proposal> propose(const NewProposal& request) override;
    Result<Proposal> proposal(std::string_view id) override;
    Result<std::vector<Proposal>> proposals(std::string_view profile) override;
    Result<Proposal> discard_proposal(std::string_view id, const Actor& actor, Timestamp now) override;

    Result<std::vector<InstructionsRevision>> instructions(std::string_view profile) override;
    Result<std::string> instructions_text(std::string_view profile, std::uint32_t revision) override;

    Result<Version> publish_draft(const Publish& request) override;
    Result<Version> version(std::string_view profile, std::uint32_t number) override;
    Result<std::vector<Version>> versions(std::string_view profile) override;
    Result<std::optional<Version>> newest_usable_version(std::string_view profile) override;
    Result<void> set_stale(std::string_view host, std::string_view image, bool stale) override;
    Result<std::set<std::string>> images_in_use(std::string_view host) override;

    Result<Job> enqueue_snapshot_job(std::string_view id, std::string_view profile, std::uint32_t version, std::string_view host,
                                     JobTrigger trigger, const Actor& actor, Timestamp now) override;
    Result<std::optional<Job>> lease_next_job(std::string_view engine, Timestamp now, std::chrono::milliseconds lease,
                                              const std::function<bool(std::string_view engine)>& is_dead,
                                              const std::set<std::string>& at_work,
                                              const std::function<void(const JobInfo&)>& given_up) override;
    Result<void> renew_lease(std::string_view job, std::string_view engine, Timestamp now,
                             std::chrono::milliseconds lease) override;
    Result<void> set_job_phase(std::string_view job, std::string_view engine, BuildPhase phase) override;
    Result<void> append_job_log(std::string_view job, std::string_view engine, std::string_view bytes) override;
    Result<void> succeed_job(std::string_view job, std::string_view engine, const ImageHandle& image, std::string_view manifest,
                             Timestamp now) override;
    Result<void> fail_job(std::string_view job, std::string_view engine, BuildPhase phase, const Error& error,
                          Timestamp now) override;
    Result<void> release_job(std::string_view job, std::string_view engine) override;
    Result<Job> cancel_job(std::string_view job, const Actor& actor, Timestamp now) override;
    Result<Job> job(std::string_view id) override;
    Result<std::vector<Job>> jobs(std::string_view profile) override;
    Result<std::string> job_log(std::string_view id) override;

    Result<Created> create_session(const NewSession& request) override;
    Result<Session> session(std::string_view id) override;
    Result<std::vector<Session>> sessions(bool include_ended) override;
    Result<Session> move_session(std::string_view id, SessionState from, SessionState to, const SessionChange& change,
                                 Timestamp now) override;
    Result<Session> change_session(std::string_view id, SessionState state, const SessionChange& change) override;

    Result<Host> add_host(const NewHost& request) override;
    Result<Host> host(std::string_view name) override;
    Result<std::vector<Host>> hosts() override;
    Result<GivenUp> remove_host(std::string_view name, bool force, const Actor& actor, Timestamp now) override;
    Result<GivenUp> give_up_host(std::string_view name, const Actor& actor, Timestamp now) override;
    Result<std::map<std::string, std::string>> host_identities() override;
    Result<std::string> host_identity(std::string_view name, std::string_view identity) override;
    Result<std::optional<std::string>> default_host() override;
    Result<void> set_default_host(const std::optional<std::string>& name) override;

    Result<std::vector<Activity>> activity(std::string_view profile, std::optional<std::int64_t> before,
                                           std::uint32_t limit) override;
    Result<void> record_credential(const CredentialRecord& record) override;
    Result<void> record_git(const GitRecord& record) override;
    Result<std::string> store_id() override;
    Result<std::optional<StateDirectory>> state_directory() override;
    Result<StateDirectory> bind_state_directory(const StateDirectory& directory) override;

private:
    // Runs `body(Connection&)`, which returns a Result, in one transaction on a connection of its own. A value commits,
    // an error rolls back; what the body throws becomes an error.
    template <class Body>
    auto read(Body body) -> std::invoke_result_t<Body, Connection&> {
        return transact(Transaction::Kind::read, {}, std::move(body));
    }
    template <class Body>
    auto write(std::string_view verb, Body body) -> std::invoke_result_t<Body, Connection&> {
        // Threads queue here; SQLite itself would let them poll.
        std::lock_guard turn(writer_);
        return transact(Transaction::Kind::write, verb, std::move(body));
    }
    template <class Body>
    auto transact(Transaction::Kind kind, std::string_view verb, Body body) -> std::invoke_result_t<Body, Connection&> {
        int system_errno = 0;
        try {
            Pool::Lease lease = pool_.acquire();
            try {
                Transaction transaction(*lease, kind);
                const long long before = (*lease).total_changes();
                auto result = body(*lease);
                // A body that found nothing to change makes no commit, and so no step of a crash test.
                if (kind == Transaction::Kind::write && result.has_value() && (*lease).total_changes() != before) {
                    if (options_.on_commit) options_.on_commit(verb, false);
                    transaction.commit();
                    if (options_.on_commit) options_.on_commit(verb, true);
                }
                return result;
            } catch (...) {
                system_errno = (*lease).system_errno();
                if (!current_exception_is_constraint()) lease.discard();
                throw;
            }
        } catch (...) {
            return error_of_current_exception(pool_.file(), system_errno);
        }
    }

    OpenFile open_file_;
    Options options_;
    Pool pool_;
    std::mutex writer_;
};

// Shared by the verbs; all run inside the caller's transaction.

// A JSON object: `own`, then the members of `given`, the text of another. Throws Failure (internal "bad_detail") when it is none.
[[nodiscard]] boost::json::object with_detail(boost::json::object own, std::string_view given);
void record_activity(Connection& db, Timestamp at, const Actor& actor, std::string_view profile, std::string_view action,
                     const boost::json::object& detail, std::string_view section = {});
// not_found "no_profile" or "profile_deleted"; none when the profile is there.
[[nodiscard]] std::optional<Error> missing_profile(Connection& db, std::string_view id);
[[nodiscard]] Result<Profile> read_profile(Connection& db, std::string_view id);
[[nodiscard]] bool version_exists(Connection& db, std::string_view profile, std::uint32_t number);
// Throws on a constraint: one active job a version and host.
void insert_job(Connection& db, std::string_view id, std::string_view profile, std::uint32_t version, std::string_view host,
                JobTrigger trigger, std::string_view principal, Timestamp now);
// Queued or running jobs of the profile become cancelled; returns their ids.
std::vector<std::string> cancel_jobs(Connection& db, std::string_view profile, Timestamp now);
// The next revision of the profile's agent instructions.
std::uint32_t append_instructions(Connection& db, std::string_view profile, std::string_view text, std::string_view principal,
                                  Timestamp now);
// Open proposals of the profile become discarded; returns their ids.
std::vector<std::string> discard_proposals(Connection& db, std::string_view profile, std::string_view principal, Timestamp now);

} // namespace sandboxkit::store
