// SPDX-License-Identifier: Apache-2.0
#include "credentials/github_api.hpp"

#include <sandboxkit/answers_json.hpp>
#include <sandboxkit/strict_json.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/serialize.hpp>

#include <openssl/crypto.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <optional>

namespace sandboxkit::credentials {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

constexpr std::size_t longest_token = 64U << 10;

Error bad_answer(std::string message) {
    return {ErrorClass::internal, "github_answer", std::move(message), "check that the API's URL is that of GitHub", "", {}};
}

// "2016-07-11T22:14:10Z"
std::optional<std::chrono::sys_seconds> read_time(std::string_view text) {
    constexpr std::string_view form = "0000-00-00T00:00:00Z";
    if (text.size() != form.size()) return {};
    for (std::size_t i = 0; i < form.size(); ++i)
        if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i]) return {};
    const auto number = [&](std::size_t at, std::size_t size) {
        int value = 0;
        std::from_chars(text.data() + at, text.data() + at + size, value);
        return value;
    };
    const std::chrono::year_month_day day(std::chrono::year(number(0, 4)),
                                          std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                          std::chrono::day(static_cast<unsigned>(number(8, 2))));
    if (!day.ok() || number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 60) return {};
    return std::chrono::sys_days(day) + std::chrono::hours(number(11, 2)) + std::chrono::minutes(number(14, 2)) +
           std::chrono::seconds(number(17, 2));
}

std::optional<std::int64_t> number_in(const net::HttpHeaders& headers, std::string_view name) {
    const auto text = net::find_header(headers, name);
    std::int64_t value = 0;
    if (!text || std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc{} || value < 0) return {};
    return value;
}

// When a limit is over; absent: the answer is about something else.
std::optional<Timestamp> limited_until(const net::HttpHead& head, Timestamp now) {
    constexpr std::int64_t day = 86'400;
    if (head.status != 403 && head.status != 429) return {};
    if (const auto after = number_in(head.headers, "retry-after")) return now + std::chrono::seconds(std::min(*after, day));
    if (const auto reset = number_in(head.headers, "x-ratelimit-reset");
        reset && number_in(head.headers, "x-ratelimit-remaining") == 0)
        return Timestamp(std::chrono::seconds(std::min(*reset, std::int64_t{253'402'300'799})));
    if (head.status == 429) return now + std::chrono::minutes(1); // what GitHub's documentation says to wait then
    return {};
}

Error make(ErrorClass kind, std::string code, std::string message, std::string remedy) {
    return {kind, std::move(code), std::move(message), std::move(remedy), "", {}};
}

} // namespace

Result<std::uint64_t> read_installation(std::string_view body) {
    auto value = parse_strict(body);
    const auto* const object = value ? value->if_object() : nullptr;
    const auto* const id = object ? object->if_contains("id") : nullptr;
    if (!id || !id->is_int64() || id->get_int64() <= 0) return bad_answer("GitHub's answer names no installation");
    return static_cast<std::uint64_t>(id->get_int64());
}

Result<AccessToken> read_access_token(std::string_view body) {
    auto value = parse_strict(body);
    const auto* const object = value ? value->if_object() : nullptr;
    const auto* const token = object ? object->if_contains("token") : nullptr;
    const auto* const expires = object ? object->if_contains("expires_at") : nullptr;
    if (!token || !token->is_string() || !expires || !expires->is_string())
        return bad_answer("GitHub's answer holds no token, or not when it ends");
    const auto time = read_time(expires->get_string());
    if (!time) return bad_answer("GitHub's answer says no time at which the token ends");
    const json::string& text = token->get_string();
    // Of any length and form: they have changed before.
    const bool plain = std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
    if (text.empty() || text.size() > longest_token || !plain)
        return bad_answer("GitHub's answer holds a token of no possible form");
    return AccessToken{std::string(text.begin(), text.end()), *time};
}

Error github_error(const net::HttpHead& head, std::string_view body, Timestamp now) {
    const std::string status = " (status " + std::to_string(head.status) + ")";
    if (const auto until = limited_until(head, now))
        return make(ErrorClass::quota, "github_rate_limit",
                    "GitHub takes no more requests of this app until " + time_text(*until), "wait until then");
    switch (head.status) {
    case 301:
    case 302:
    case 307:
    case 308:
        return make(ErrorClass::invalid, "github_moved",
                    "GitHub says that this is somewhere else now: the repository was renamed?", "use its new URL");
    case 401:
        return make(ErrorClass::permission, "github_unauthenticated",
                    "GitHub does not believe that this is the app: its private key, its id, or this machine's clock, now " +
                        time_text(now) + ", is wrong",
                    "check the key and the id of the app, and set the clock by NTP");
    case 403:
        return make(ErrorClass::permission, "github_forbidden",
                    "GitHub refuses the app: its installation is suspended, or an allow list does not have this machine" + status,
                    "ask an owner of the organization to look at the installation");
    case 404:
        return make(ErrorClass::not_found, "github_not_installed",
                    "the GitHub App is not installed on this repository, or there is no such repository",
                    "install the app on it, and check the URL");
    case 422:
        return make(ErrorClass::permission, "github_permissions",
                    body.find("ermission") != std::string_view::npos
                        ? "the installation of the GitHub App does not have the permission that this needs"
                        : "the installation of the GitHub App does not reach this repository with that permission",
                    "grant it \"contents\", to read or to write, and the repository");
    default: break;
    }
    if (head.status >= 500)
        return make(ErrorClass::unavailable, "github_unavailable", "GitHub cannot answer now" + status, "try again later");
    return bad_answer("GitHub answered with something else than the API does" + status);
}

GithubApi::GithubApi(HttpUrl base, const std::filesystem::path& ca_file, std::chrono::milliseconds limit) : limit_(limit) {
    for (const auto& component : base.path) base_path_ += "/" + net::percent_encode_path(component);
    target_.host = base.host;
    target_.port = base.port;
    if (base.tls) {
        target_.tls.emplace();
        target_.tls->ca_file = ca_file;
    }
    target_.name = "GitHub at " + authority_of(base);
    target_.code_prefix = "github";
    target_.connect_limit = std::min<std::chrono::milliseconds>(limit, target_.connect_limit);
}

Result<net::HttpResponse> GithubApi::send(std::string method, const std::string& path, const std::string& bearer,
                                          std::string body) const {
    net::HttpRequest request;
    request.method = std::move(method);
    request.target = base_path_ + path;
    request.headers = {{"Accept", "application/vnd.github+json"},
                       {"Authorization", "Bearer " + bearer},
                       {"User-Agent", "sandboxkit"},
                       {"X-GitHub-Api-Version", "2022-11-28"}};
    if (!body.empty()) request.headers.emplace_back("Content-Type", "application/json");
    request.body = std::move(body);
    request.idempotent = request.method != "POST";

    // The caller's thread is one that may block: it runs a context of its own.
    asio::io_context io(1);
    net::HttpClient client(io.get_executor(), target_);
    std::optional<Result<net::HttpResponse>> answer;
    const net::HttpLimits limits{1U << 20, limit_};
    const auto ask = [&]() -> asio::awaitable<void> {
        auto got = co_await client.unary(std::move(request), limits);
        answer.emplace(std::move(got));
    };
    std::exception_ptr thrown;
    asio::co_spawn(io, ask(), [&](std::exception_ptr e) { thrown = std::move(e); });
    while (!answer && !thrown && io.run_one() > 0) {
    }
    if (!answer) return bad_answer("the request to GitHub could not be made");
    return std::move(*answer);
}

Result<std::uint64_t> GithubApi::installation(const std::string& jwt, const std::string& owner, const std::string& name,
                                              Timestamp now) const {
    const auto path = "/repos/" + net::percent_encode_path(owner) + "/" + net::percent_encode_path(name) + "/installation";
    auto answer = send("GET", path, jwt);
    if (!answer) return answer.error();
    if (answer->head.status != 200) return github_error(answer->head, answer->body, now);
    return read_installation(answer->body);
}

Result<AccessToken> GithubApi::access_token(const std::string& jwt, std::uint64_t installation, const std::string& name,
                                            std::string_view contents, Timestamp now) const {
    const json::object wanted{{"repositories", json::array{name}}, {"permissions", {{"contents", contents}}}};
    auto answer =
        send("POST", "/app/installations/" + std::to_string(installation) + "/access_tokens", jwt, json::serialize(wanted));
    if (!answer) return answer.error();
    auto token = answer->head.status == 201 ? read_access_token(answer->body)
                                            : Result<AccessToken>(github_error(answer->head, answer->body, now));
    ::OPENSSL_cleanse(answer->body.data(), answer->body.size());
    return token;
}

Result<void> GithubApi::revoke(const std::string& token, Timestamp now) const {
    auto answer = send("DELETE", "/installation/token", token);
    if (!answer) return answer.error();
    if (answer->head.status == 204 || answer->head.status == 401) return {}; // 401: it has ended already
    return github_error(answer->head, answer->body, now);
}

} // namespace sandboxkit::credentials
