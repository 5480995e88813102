// SPDX-License-Identifier: Apache-2.0
#include "host.hpp"

#include <sandboxkit/answers_json.hpp>
#include <sandboxkit/digest.hpp>
#include <sandboxkit/object_reader.hpp>
#include <sandboxkit/profile_rules.hpp>
#include <sandboxkit/strict_json.hpp>

#include <boost/json/memory_resource.hpp>
#include <boost/json/storage_ptr.hpp>

#include <openssl/crypto.h>

#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <new>
#include <utility>

namespace sandboxkit::capi {

namespace json = boost::json;

namespace {

constexpr std::size_t longest_text = 64 << 10;
constexpr std::size_t most_lines = 1000;

constexpr std::array<std::pair<std::string_view, ConnectionKind>, 4> connection_kinds{{
    {"model_provider", ConnectionKind::model_provider},
    {"git", ConnectionKind::git},
    {"connector", ConnectionKind::connector},
    {"sandbox_provider", ConnectionKind::sandbox_provider},
}};

Error no_answer() {
    return {ErrorClass::unavailable,
            "host_did_not_answer",
            "the host application did not answer the library's request",
            "answer every SBK_EVENT_REQUEST with sbk_event_respond or sbk_event_refuse",
            "",
            {}};
}

// The reader's problems, and those of the object itself.
Result<void> finish(ObjectReader& reader, ProblemList& problems) {
    reader.finish();
    if (!problems.empty()) return wrong_answer(problems.take());
    return {};
}

Result<void> read_connection(const json::value& value, Connection& out) {
    ProblemList problems;
    ObjectReader reader(value, "", problems);
    reader.require("kind");
    out.kind = reader.choice<ConnectionKind>("kind", connection_kinds).value_or(ConnectionKind::connector);
    out.name = reader.string("name", longest_text).value_or("");
    if (const auto* protocols = reader.array("protocols"))
        for (std::size_t i = 0; i < protocols->size(); ++i)
            out.protocols.push_back(ObjectReader::string_of((*protocols)[i],
                                                            reader.pointer("protocols") + '/' + std::to_string(i), longest_text,
                                                            problems)
                                        .value_or(""));
    out.provider = reader.string("provider", longest_text).value_or("");
    if (const auto repositories = reader.object("repositories"); repositories && repositories->is_object())
        for (const auto& [identifier, url] : value.at("repositories").as_object())
            out.repositories.emplace(
                identifier, ObjectReader::string_of(url, repositories->pointer(identifier), longest_text, problems).value_or(""));
    out.url_template = reader.string("url_template", longest_text).value_or("");
    return finish(reader, problems);
}

Result<void> read_environment(const json::value& value, EnvironmentBinding& out) {
    ProblemList problems;
    ObjectReader reader(value, "", problems);
    out.name = reader.string("name", longest_text).value_or("");
    out.change_policy = reader.string("change_policy", longest_text).value_or("");
    return finish(reader, problems);
}

Result<void> read_host(const json::value& value, HostRecord& out) {
    ProblemList problems;
    ObjectReader reader(value, "", problems);
    reader.require("provider");
    out.provider = reader.string("provider", longest_text).value_or("");
    out.registered = reader.boolean("registered").value_or(false);
    out.reachable = reader.boolean("reachable").value_or(true);
    if (const auto* backend = reader.member("storage_backend"); backend && !backend->is_null())
        out.storage_backend = reader.string("storage_backend", longest_text);
    out.workspace_volumes = reader.boolean("workspace_volumes").value_or(false);
    return finish(reader, problems);
}

Result<void> read_credential(const json::value& value, Credential& out) {
    ProblemList problems;
    ObjectReader reader(value, "", problems);
    reader.require("secret");
    out.username = reader.string("username", longest_text).value_or("");
    auto secret = reader.string("secret", longest_text).value_or("");
    out.secret = secret;
    OPENSSL_cleanse(secret.data(), secret.size());
    constexpr std::uint64_t last_second = 253'402'300'799; // of the year 9999
    if (const auto* expires = reader.member("expires"); expires && !expires->is_null())
        if (const auto seconds = reader.integer("expires", 0, last_second))
            out.expires = std::chrono::system_clock::time_point(std::chrono::seconds(*seconds));
    return finish(reader, problems);
}

// Of a request that only tells.
Result<void> read_nothing(const json::value& value) {
    if (value.is_null()) return {};
    ProblemList problems;
    ObjectReader::report_type(problems, "", "null", value);
    return wrong_answer(problems.take());
}

json::object credential_question(std::string_view what, std::uint64_t lease, const CredentialRequest& request) {
    return {{"request", what},
            {"lease", lease},
            {"purpose", to_string(request.purpose)},
            {"url", request.url},
            {"connection", sandboxkit::detail::or_null(request.connection)},
            {"profile", request.profile},
            {"version", request.version},
            {"repository", request.repository},
            {"role", to_string(request.role)},
            {"job", request.job},
            {"session", request.session}};
}

// Overwrites what it gives back. A secret may stand anywhere in an answer, also in one that is refused, and in what a string
// with escapes was while it grew.
class WipingMemory final : public json::memory_resource {
    void* do_allocate(std::size_t size, std::size_t alignment) override {
        return ::operator new(size, std::align_val_t(alignment));
    }
    void do_deallocate(void* memory, std::size_t size, std::size_t alignment) override {
        OPENSSL_cleanse(memory, size);
        ::operator delete(memory, std::align_val_t(alignment));
    }
    bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

} // namespace

Error wrong_answer(std::vector<Problem> problems) {
    return document_error("host_answer_invalid", "the host application's answer", std::move(problems));
}

sbk_status HostRequest::respond(std::string_view text) {
    ProblemList problems;
    const auto answer = parse_collecting(text, limits_, problems, json::make_shared_resource<WipingMemory>());
    const std::lock_guard lock(mutex_);
    if (state_ != State::open) return SBK_CONFLICT;
    if (const auto read = problems.empty() ? reader_(*answer) : wrong_(problems.take()); !read) {
        error_ = read.error();
        end(State::refused);
        return SBK_INVALID;
    }
    end(State::answered);
    return SBK_OK;
}

sbk_status HostRequest::refuse(ErrorClass kind, std::string_view message) {
    Error error{kind, "host_refused", std::string(message), "", "", {}};
    const std::lock_guard lock(mutex_);
    if (state_ != State::open) return SBK_CONFLICT;
    error_ = std::move(error);
    end(State::refused);
    return SBK_OK;
}

void HostRequest::refuse_unanswered() noexcept {
    const std::lock_guard lock(mutex_);
    end(State::unanswered);
}

bool HostRequest::end(State state) noexcept {
    if (state_ != State::open) return false;
    state_ = state;
    ended_.notify_all();
    if (descriptor_ >= 0) ::eventfd_write(descriptor_, 1);
    return true;
}

void HostRequest::wake_through(int descriptor) noexcept {
    const std::lock_guard lock(mutex_);
    descriptor_ = descriptor;
    if (state_ != State::open) ::eventfd_write(descriptor_, 1);
}

Result<void> HostRequest::wait(std::chrono::milliseconds time) {
    {
        std::unique_lock lock(mutex_);
        ended_.wait_for(lock, time, [&] { return state_ != State::open; });
    }
    return outcome();
}

Result<void> HostRequest::outcome() {
    const std::lock_guard lock(mutex_);
    descriptor_ = -1;
    end(State::unanswered);
    if (state_ == State::answered) return {};
    return state_ == State::refused ? error_ : no_answer();
}

// `read(value, T&)` is called under the request's lock, by the thread that answers.
template <class T, class Read>
Result<std::optional<T>> Host::ask(json::object question, Read read) {
    auto found = std::make_shared<std::optional<T>>();
    auto request = std::make_shared<HostRequest>([found, read](const json::value& answer) -> Result<void> {
        if (answer.is_null()) return {};
        found->emplace();
        return read(answer, **found);
    });
    if (auto posted = post(std::move(question), request); !posted) return posted.error();
    // The event may live on, and must not keep a secret, not of an answer that was refused either.
    if (auto answered = request->wait(time_); !answered) {
        found->reset();
        return answered.error();
    }
    return std::exchange(*found, std::nullopt);
}

Result<void> Host::post(json::object question, const std::shared_ptr<HostRequest>& request) {
    auto event = std::make_unique<sbk_event>(SBK_EVENT_REQUEST, tag_);
    event->set_json(std::move(question));
    event->request = request;
    {
        const std::lock_guard lock(mutex_);
        if (closed_) return no_answer();
        std::erase_if(open_, [](const auto& r) { return r.expired(); });
        open_.push_back(request);
    }
    queue_->push(event);
    return {}; // of a closed queue: the event goes here, and refuses the request
}

Result<std::optional<Connection>> Host::connection(std::string_view id) {
    auto found = ask<Connection>({{"request", "connection"}, {"id", id}}, read_connection);
    if (found && *found) (*found)->id = std::string(id);
    return found;
}

Result<std::optional<EnvironmentBinding>> Host::environment(std::string_view id) {
    auto found = ask<EnvironmentBinding>({{"request", "environment"}, {"id", id}}, read_environment);
    if (found && *found) (*found)->id = std::string(id);
    return found;
}

Result<std::optional<HostRecord>> Host::host(std::string_view name) {
    auto found = ask<HostRecord>({{"request", "host"}, {"id", name}}, read_host);
    if (found && *found) (*found)->name = std::string(name);
    return found;
}

Result<std::optional<Credential>> Host::credential(const CredentialRequest& request) {
    std::uint64_t lease = 0;
    {
        const std::lock_guard lock(mutex_);
        lease = ++last_lease_;
    }
    auto given = ask<Credential>(credential_question("credential", lease, request), read_credential);
    if (told_of_releases_ && given && *given) {
        const std::lock_guard lock(mutex_);
        leases_.emplace(digest_of((*given)->secret), lease);
    }
    return given;
}

Result<void> Host::release(const CredentialRequest& request, const Credential& credential, CredentialUse use) {
    if (!told_of_releases_) return {};
    std::uint64_t lease = 0;
    {
        const std::lock_guard lock(mutex_);
        const auto found = leases_.find(digest_of(credential.secret));
        if (found == leases_.end()) return {};
        lease = found->second;
        leases_.erase(found);
    }
    auto question = credential_question("credential_release", lease, request);
    question["over"] = use.over;
    question["refused"] = use.refused;
    auto told = std::make_shared<HostRequest>(read_nothing);
    if (auto posted = post(std::move(question), told); !posted) return posted;
    return told->wait(time_);
}

class Host::LogAllowance final : public Allowance {
public:
    explicit LogAllowance(std::shared_ptr<Host> host) : host_(std::move(host)) {}
    void give_back(std::size_t amount) noexcept override {
        const std::lock_guard lock(host_->mutex_);
        host_->lines_ -= amount;
    }

private:
    const std::shared_ptr<Host> host_;
};

void Host::log(const LogLine& line) {
    auto event = std::make_unique<sbk_event>(SBK_EVENT_LOG, tag_);
    auto allowance = std::make_shared<LogAllowance>(shared_from_this());
    std::uint64_t dropped = 0;
    {
        const std::lock_guard lock(mutex_);
        if (lines_ == most_lines) {
            ++dropped_;
            return;
        }
        dropped = std::exchange(dropped_, 0);
        ++lines_;
    }
    event->charge(std::move(allowance), 1);
    json::object fields;
    for (const auto& [name, value] : line.fields) fields[name] = value;
    event->set_json(json::object{{"level", to_string(line.level)},
                                 {"at", time_text(line.at)},
                                 {"event", line.event},
                                 {"message", line.message},
                                 {"fields", std::move(fields)},
                                 {"dropped", dropped}});
    queue_->push(event);
}

void Host::close() noexcept {
    std::vector<std::weak_ptr<HostRequest>> open;
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        open.swap(open_);
    }
    for (const auto& weak : open)
        if (const auto request = weak.lock()) request->refuse_unanswered();
}

} // namespace sandboxkit::capi
