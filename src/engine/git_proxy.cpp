// SPDX-License-Identifier: Apache-2.0
#include "engine/git_proxy.hpp"

#include "engine/credential_lease.hpp"
#include "git/http_credential.hpp"
#include "git/push_commands.hpp"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <openssl/crypto.h>

#include <algorithm>
#include <set>

namespace sandboxkit::engine {

namespace asio = boost::asio;
namespace json = boost::json;
using git::GitService;
using namespace std::chrono_literals;

namespace {

// Git itself sends a body of this size whole, with its length, and a larger one in chunks.
constexpr std::size_t whole_body = 1 << 20;
// A server may look at a push for long before it says a word, and pack for long what was asked for.
constexpr std::chrono::milliseconds server_silence = 10min;
constexpr auto turn_time = 1s; // a request
constexpr int turns_at_once = 60;
constexpr int refusal_turns = 3;             // what a request costs that is refused
constexpr std::size_t most_references = 128; // of one push: each is in the activity log
constexpr std::size_t told_references = 8;   // of one that is refused

Error error(ErrorClass kind, std::string code, std::string message, std::string remedy = {}) {
    return {kind, std::move(code), std::move(message), std::move(remedy), "", {}};
}

unsigned status_of(const Error& why) {
    switch (why.kind) {
    case ErrorClass::invalid: return 400;
    case ErrorClass::not_found: return 404;
    case ErrorClass::permission:
    case ErrorClass::unsupported:
    case ErrorClass::conflict:
    case ErrorClass::quota: return 403;
    default: return 502;
    }
}

std::string path_of(std::string_view url) {
    url.remove_prefix(std::min(url.find("://") + 3, url.size()));
    const auto slash = url.find('/');
    url = slash == std::string_view::npos ? std::string_view() : url.substr(slash);
    while (url.ends_with('/')) url.remove_suffix(1);
    return std::string(url);
}

// A path that every server reads in one way.
bool is_plain_path(std::string_view path) {
    if (!path.starts_with('/') || path.find_first_of("?#\\") != std::string_view::npos) return false;
    std::string text(path);
    std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    text += '/';
    for (const char* odd : {"//", "/./", "/../", "%2f", "%2e", "%5c", "%00"})
        if (text.find(odd) != std::string::npos) return false;
    return true;
}

// Where on the same server a repository is that was asked for by `url`; nothing for another server, which the credential is not
// for.
std::optional<std::string> moved_path(std::string_view url, std::string_view location, GitService service) {
    const std::string_view origin = url.substr(0, url.find('/', std::min(url.find("://") + 3, url.size())));
    if (location.starts_with(std::string(origin) + "/")) location.remove_prefix(origin.size());
    const std::string end = "/info/refs?service=" + std::string(git::to_string(service));
    if (!location.starts_with('/') || location.starts_with("//") || !location.ends_with(end)) return {};
    const std::string_view path = location.substr(0, location.size() - end.size());
    return is_plain_path(path) ? std::optional(std::string(path)) : std::nullopt;
}

// A reference's name may have bytes that no JSON takes.
std::string recorded_name(std::string_view name) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string text;
    for (const char c : name.substr(0, 255)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80 && c != '%')
            text += c;
        else
            ((text += '%') += digits[byte >> 4]) += digits[byte & 15];
    }
    return text;
}

// What the sandbox is told of an error that is not of this file: of the way to the server all, and of what the host application
// has, or where, nothing.
Error for_the_sandbox(const Error& why) {
    if (why.code.starts_with("git_")) return why;
    return error(why.kind, why.code, "the engine of this session cannot ask the server of the repository now");
}

// "version=2", and what else git may put there one day.
bool is_protocol(std::string_view text) {
    return !text.empty() && text.size() <= 64 &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789=.:-") == std::string_view::npos;
}

net::HttpTarget target_of(const git::RemoteUrl& url, const std::filesystem::path& authorities) {
    net::HttpTarget target;
    target.host = url.host;
    target.port = url.port.value_or(url.tls ? 443 : 80);
    if (url.tls) {
        target.tls.emplace();
        target.tls->ca_file = authorities;
        target.tls->system = true;
    }
    target.name = "the server of the repository";
    target.code_prefix = "git";
    return target;
}

std::string answer_type(const git::GitRequest& request) {
    return "application/x-" + std::string(git::to_string(request.service)) +
           (request.advertisement ? "-advertisement" : "-result");
}

// What a status that is no success means. Its text is the server's, and is not passed on.
Error refused_by_server(unsigned status) {
    const std::string said = "the server of the repository answered " + std::to_string(status);
    if (status == 404)
        return error(ErrorClass::not_found, "git_not_found", said + ": there is no such repository, or it may not be seen");
    if (status == 403) return error(ErrorClass::permission, "git_forbidden", said + ": it does not allow this");
    if (status >= 300 && status < 400)
        return error(ErrorClass::unavailable, "git_moved", said + ": the repository is at another address",
                     "put that address into the profile");
    return error(ErrorClass::unavailable, "git_server_failed", said);
}

} // namespace

struct GitProxy::Place {
    Place(Context& context, Repository r, git::RemoteUrl u)
        : repository(std::move(r)), url(std::move(u)), paths{{GitService::upload_pack, path_of(repository.url)},
                                                             {GitService::receive_pack, path_of(repository.url)}} {
        if (url.kind == git::RemoteUrl::Kind::http) http.emplace(context.executor(), target_of(url, context.options.git_ca_file));
    }
    const Repository repository;
    const git::RemoteUrl url;
    std::map<GitService, std::string> paths; // at its server
    std::optional<net::HttpClient> http;
    std::set<GitService> private_to; // services for which the server asked for a credential
};

// Given back when what it was for is over, on a thread that may wait for the host application.
struct GitProxy::Held {
    explicit Held(Context& c) : context(c) {}
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() {
        if (!lease) return;
        try {
            asio::post(context.git_pool, [given = lease, with = use] { given->give_back(with); });
        } catch (...) { // no memory: the lease does it here
        }
    }
    Context& context;
    std::shared_ptr<CredentialLease> lease;
    CredentialUse use{true, false};
};

struct GitProxy::Asked {
    Place* place = nullptr;
    git::GitRequest request;
    std::string protocol; // Git-Protocol; empty: none
    std::string encoding; // of the body; empty: none
    std::string body;     // the whole of it, or its beginning
    bool whole = false;
    std::vector<git::PushCommand> commands{};
    std::optional<std::string> report{}; // the answer to a push that is refused
};

GitProxy::GitProxy(Context& context, const store::Session& session, const Recipe& recipe)
    : context_(context), session_(session.id), profile_(session.profile), version_(session.version),
      connection_(recipe.connections.git), turn_(std::chrono::steady_clock::now() - turns_at_once * turn_time) {
    for (auto& repository : repositories_of(recipe)) {
        auto url = git::parse_url(repository.url);
        auto place = std::make_unique<Place>(context, repository, std::move(*url));
        places_.emplace(repository.identifier, std::move(place));
    }
}

GitProxy::~GitProxy() = default;

std::vector<Repository> GitProxy::repositories_of(const Recipe& recipe) {
    std::vector<Repository> carried;
    for (const auto& repository : recipe.repositories) {
        const auto url = git::parse_url(repository.url);
        if (url && url->kind != git::RemoteUrl::Kind::file) carried.push_back(repository);
    }
    return carried;
}

GitProxy::Place* GitProxy::find(const std::string& identifier) {
    const auto found = places_.find(identifier);
    return found == places_.end() ? nullptr : found->second.get();
}

Task<void> GitProxy::serve(std::shared_ptr<GitProxy> self, net::HttpServed& client, net::HttpRequestHead head) {
    auto turn = co_await self->wait_for_turn();
    if (!turn) co_return turn;
    const std::string type(net::find_header(head.headers, "Content-Type").value_or(""));
    auto request = git::read_git_request(head.method, head.target, type);
    if (!request) {
        auto told = co_await refuse(client, request.error());
        co_return told;
    }
    Asked asked;
    asked.request = std::move(*request);
    asked.place = self->find(asked.request.repository);
    Result<void> allowed;
    if (asked.place == nullptr)
        allowed = error(ErrorClass::not_found, "git_request_unknown",
                        "the profile has no repository \"" + asked.request.repository + "\" that git can reach");
    else if (!asked.place->http)
        allowed = error(ErrorClass::unsupported, "git_over_ssh",
                        "\"" + asked.request.repository + "\" is reached over SSH, which does not go through a session",
                        "use an https URL in the profile");
    else
        allowed = git::check_service(asked.place->repository, asked.request.service);
    const bool known = asked.place != nullptr;
    asked.encoding = net::find_header(head.headers, "Content-Encoding").value_or("");
    const bool may_encode = asked.request.service == GitService::upload_pack && !asked.request.advertisement;
    if (allowed && !asked.encoding.empty() && (asked.encoding != "gzip" || !may_encode))
        allowed = error(ErrorClass::invalid, "git_request_malformed", "git does not encode its requests so");
    if (!allowed) {
        if (known) self->record(*asked.place, asked.request.service, {}, "refused", allowed.error().code);
        self->turn_ += (refusal_turns - 1) * turn_time;
        auto told = co_await refuse(client, allowed.error());
        co_return told;
    }
    if (const auto protocol = net::find_header(head.headers, "Git-Protocol"); protocol && is_protocol(*protocol))
        asked.protocol = *protocol;
    auto done = co_await self->forward(client, std::move(asked));
    co_return done;
}

// A client that still sends would not see the answer.
Task<void> GitProxy::refuse(net::HttpServed& client, const Error& why) {
    for (;;) {
        auto piece = co_await client.read_body();
        if (!piece) co_return piece.error();
        if (piece->empty()) break;
    }
    std::string text = why.message + "\n";
    if (!why.remedy.empty()) text += why.remedy + "\n";
    net::HttpHeaders headers{{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-cache"}};
    auto told = co_await client.respond(status_of(why), std::move(headers), std::move(text));
    co_return told;
}

// As many at once as were saved up, and then one a second.
Task<void> GitProxy::wait_for_turn() {
    const auto now = std::chrono::steady_clock::now();
    turn_ = std::max(turn_, now - turns_at_once * turn_time) + turn_time;
    if (turn_ <= now) co_return Result<void>{};
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return cancelled_error(); // it would not come a second time
    asio::steady_timer timer(context_.io);
    timer.expires_at(turn_);
    boost::system::error_code ec;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    if (ec) co_return cancelled_error();
    co_return Result<void>{};
}

// Which references it changes, and why not.
Task<void> GitProxy::read_push(net::HttpServed& client, Asked& asked) {
    git::PushCommandReader reader;
    for (bool complete = false; !complete;) {
        auto piece = co_await client.read_body();
        if (!piece) co_return piece.error();
        if (piece->empty())
            co_return error(ErrorClass::invalid, "git_push_malformed", "the push ends before its list of references does");
        auto fed = reader.feed(*piece);
        if (!fed) co_return fed.error();
        complete = *fed;
    }
    if (reader.commands().size() > most_references)
        co_return error(ErrorClass::quota, "git_push_too_large",
                        "a session pushes at most " + std::to_string(most_references) + " references at once",
                        "push fewer of them");
    asked.body = reader.received();
    asked.commands = reader.commands();
    std::vector<std::optional<std::string>> reasons;
    for (const auto& command : asked.commands) reasons.push_back(git::push_refusal(command));
    const auto first = std::ranges::find_if(reasons, [](const auto& reason) { return reason.has_value(); });
    if (first == reasons.end()) co_return Result<void>{};
    asked.report = git::report_refusal(reader, reasons);
    co_return error(ErrorClass::permission, "git_push_refused", **first);
}

Task<void> GitProxy::forward(net::HttpServed& client, Asked asked) {
    const Place& place = *asked.place;
    const GitService service = asked.request.service;
    const bool push = service == GitService::receive_pack;
    if (push && !asked.request.advertisement) {
        auto read = co_await read_push(client, asked);
        if (!read) {
            record(place, service, asked.commands, "refused", read.error().code);
            turn_ += (refusal_turns - 1) * turn_time;
            if (!asked.report) {
                auto told = co_await refuse(client, read.error());
                co_return told;
            }
            for (;;) { // its pack, without which git does not listen
                auto piece = co_await client.read_body();
                if (!piece) co_return piece.error();
                if (piece->empty()) break;
            }
            net::HttpHeaders headers{{"Content-Type", "application/x-git-receive-pack-result"}, {"Cache-Control", "no-cache"}};
            auto told = co_await client.respond(200, std::move(headers), std::move(*asked.report));
            co_return told;
        }
    }
    while (asked.body.size() < whole_body && !asked.whole) {
        auto piece = co_await client.read_body();
        if (!piece) co_return piece.error();
        asked.whole = piece->empty();
        if (asked.request.advertisement && !asked.whole) { // a server might take it for the next request
            const Error why =
                error(ErrorClass::invalid, "git_request_malformed", "what a repository offers is asked for without a body");
            auto told = co_await refuse(client, why);
            co_return told;
        }
        asked.body += *piece;
    }

    Held held(context_);
    auto stream = co_await send_with_credential(client, asked, held);
    if (stream && stream->head().status != 200) stream = refused_by_server(stream->head().status);
    if (stream) {
        if (!net::has_media_type(stream->head().headers, answer_type(asked.request)))
            stream = error(ErrorClass::unavailable, "git_not_smart",
                           "the server of the repository answered with something that is not git's smart protocol",
                           "check the repository's URL in the profile");
    }
    // A push is told of when it is done, a fetch when it begins: it asks several times.
    const bool told_of = push ? !asked.commands.empty() || !stream : asked.request.advertisement || !stream;
    if (!stream) {
        // Of a push that was cut off it is not known whether the server has done it.
        if (told_of && (push || stream.error().kind != ErrorClass::cancelled))
            record(place, service, asked.commands, "failed", stream.error().code);
        auto told = co_await refuse(client, stream.error());
        co_return told;
    }
    auto answered = co_await answer(client, asked, std::move(*stream));
    if (told_of) record(place, service, asked.commands, answered ? "answered" : "failed", answered ? "" : answered.error().code);
    co_return answered;
}

Task<void> GitProxy::answer(net::HttpServed& client, const Asked& asked, net::HttpStream stream) {
    // Nothing of the server's own headers.
    net::HttpHeaders headers{{"Content-Type", answer_type(asked.request)}, {"Cache-Control", "no-cache"}};
    auto written = co_await client.begin(200, std::move(headers));
    while (written) {
        auto piece = co_await stream.read_some(server_silence);
        if (!piece) co_return piece.error(); // without its end the client knows that it was cut off
        const bool last = piece->empty();
        written = co_await client.write(std::move(*piece));
        if (last) break;
    }
    co_return written;
}

// Whoever asks a public server is asked for no credential, and the host application neither.
Task<net::HttpStream> GitProxy::send_with_credential(net::HttpServed& client, const Asked& asked, Held& held) {
    Place& place = *asked.place;
    std::string sent;
    if (place.private_to.contains(asked.request.service)) {
        auto given = co_await authorization(asked, held);
        if (!given) co_return given.error();
        sent = std::move(*given);
    }
    auto stream = co_await send(client, asked, sent);
    if (stream && stream->head().status / 100 == 3 && asked.request.advertisement) {
        const auto location = net::find_header(stream->head().headers, "Location").value_or("");
        if (auto path = moved_path(place.repository.url, location, asked.request.service)) {
            place.paths[asked.request.service] = std::move(*path);
            stream = co_await send(client, asked, sent);
        }
    }
    if (stream && stream->head().status == 401 && sent.empty()) {
        place.private_to.insert(asked.request.service);
        if (!asked.whole)
            co_return error(ErrorClass::unavailable, "git_credentials_late",
                            "the server of the repository asked for credentials in the middle", "try again");
        auto given = co_await authorization(asked, held);
        if (!given) co_return given.error();
        sent = std::move(*given);
        stream = co_await send(client, asked, sent);
    }
    ::OPENSSL_cleanse(sent.data(), sent.size());
    if (stream && stream->head().status == 401) {
        held.use.refused = true;
        co_return error(ErrorClass::permission, "credentials_refused",
                        "the server of the repository does not accept the credential that the host application gave",
                        "have it checked that it is valid still, and may do this");
    }
    co_return stream;
}

Task<std::string> GitProxy::authorization(const Asked& asked, Held& held) {
    const Place& place = *asked.place;
    if (!place.url.tls && !git::is_this_machine(place.url.host))
        co_return error(ErrorClass::permission, "credential_in_the_clear",
                        "the server asks for credentials, which are not sent in the clear to another machine",
                        "use https:// in the repository's URL");
    CredentialRequest request;
    request.purpose = asked.request.service == GitService::upload_pack ? CredentialPurpose::fetch : CredentialPurpose::push;
    request.url = place.repository.url;
    request.connection = connection_;
    request.profile = profile_;
    request.version = version_;
    request.repository = place.repository.identifier;
    request.role = place.repository.role;
    request.session = session_;
    held.lease = std::make_shared<CredentialLease>(context_, std::move(request));
    // Of those that wait their turn at the host application, none is asked for when nobody wants it any more.
    auto ask = [lease = held.lease](std::stop_token stop) -> Result<std::optional<Credential>> {
        if (stop.stop_requested()) return cancelled_error();
        return lease->ask();
    };
    auto given = co_await async::blocking(context_.git_pool, std::move(ask));
    // What the host application says of its credentials is not for the sandbox.
    if (!given)
        co_return error(given.error().kind == ErrorClass::cancelled ? ErrorClass::cancelled : ErrorClass::unavailable,
                        given.error().code, "the host application could not say which credential to use");
    if (!*given)
        co_return error(ErrorClass::permission, "credentials_required",
                        "the server of the repository asks for credentials, and the host application has none for it");
    auto usable = git::check_credential(**given);
    if (!usable) co_return for_the_sandbox(usable.error());
    std::string coded = git::basic_credential(**given);
    std::string header = "Basic " + coded;
    ::OPENSSL_cleanse(coded.data(), coded.size());
    co_return header;
}

Task<net::HttpStream> GitProxy::send(net::HttpServed& client, const Asked& asked, const std::string& authorization) {
    const std::string name(git::to_string(asked.request.service));
    net::HttpRequest request;
    request.target =
        asked.place->paths.at(asked.request.service) + (asked.request.advertisement ? "/info/refs?service=" : "/") + name;
    // Servers tell git from browsers by this.
    request.headers = {{"User-Agent", "git/2.0 (sandboxkit)"}};
    if (asked.request.advertisement) {
        request.headers.emplace_back("Accept", "*/*");
    } else {
        request.method = "POST";
        request.headers.emplace_back("Content-Type", "application/x-" + name + "-request");
        request.headers.emplace_back("Accept", "application/x-" + name + "-result");
    }
    if (!asked.encoding.empty()) request.headers.emplace_back("Content-Encoding", asked.encoding);
    if (!asked.protocol.empty()) request.headers.emplace_back("Git-Protocol", asked.protocol);
    if (!authorization.empty()) request.headers.emplace_back("Authorization", authorization);
    if (asked.whole) {
        request.body = asked.body;
        auto stream = co_await asked.place->http->stream(std::move(request), server_silence);
        if (!stream) stream = for_the_sandbox(stream.error());
        co_return stream;
    }
    bool begun = false;
    net::HttpBodySource rest = [&]() -> Task<std::string> {
        if (!std::exchange(begun, true)) co_return asked.body;
        auto piece = co_await client.read_body();
        co_return piece;
    };
    auto stream = co_await asked.place->http->transfer(std::move(request), std::move(rest), server_silence);
    if (!stream) stream = for_the_sandbox(stream.error());
    co_return stream;
}

void GitProxy::record(const Place& place, GitService service, const std::vector<git::PushCommand>& commands,
                      std::string_view outcome, std::string_view code) {
    json::object detail{{"repository", place.repository.identifier}, {"outcome", outcome}};
    if (!code.empty()) detail["code"] = code;
    json::array references;
    const std::size_t most = outcome == "refused" ? told_references : most_references;
    for (const auto& command : commands) {
        if (references.size() == most) break;
        references.push_back({{"reference", recorded_name(command.reference)}, {"old", command.old_id}, {"new", command.new_id}});
    }
    if (!references.empty()) detail["references"] = std::move(references);
    if (commands.size() > most) detail["more_references"] = commands.size() - most;
    store::GitRecord kept;
    kept.session = session_;
    kept.action = service == GitService::upload_pack ? "git.fetch" : "git.push";
    kept.detail = json::serialize(detail);
    kept.now = context_.now();
    // Not awaited: it is kept, too, when the one who asked is cancelled.
    asio::post(context_.store_pool, [&context = context_, kept = std::move(kept)] {
        if (auto done = context.store->record_git(kept); !done)
            context.log(LogLevel::error, "git.not_recorded", "what the git of a session did could not be recorded",
                        with_error({{"session", kept.session}}, done.error()));
    });
}

} // namespace sandboxkit::engine
