// SPDX-License-Identifier: Apache-2.0
#include "git/session_access.hpp"

#include <sandboxkit/profile_rules.hpp>

#include <array>
#include <charconv>

namespace sandboxkit::git {

namespace {

constexpr std::array services{GitService::upload_pack, GitService::receive_pack};
constexpr std::string_view branches = "refs/heads/";

Error unknown() {
    return {ErrorClass::not_found,
            "git_request_unknown",
            "this is no repository of the session: git goes through it to the repositories of the profile, by their URLs there",
            "add the repository to the profile, or reach it by a URL that does not begin with one of the profile",
            "",
            {}};
}

Error malformed(std::string message) {
    return {ErrorClass::invalid, "git_request_malformed", std::move(message), "", "", {}};
}

} // namespace

std::string_view to_string(GitService service) noexcept {
    return service == GitService::upload_pack ? "git-upload-pack" : "git-receive-pack";
}

Result<GitRequest> read_git_request(std::string_view method, std::string_view target, std::string_view content_type) {
    const auto question = target.find('?');
    std::string_view path = target.substr(0, question);
    const std::string_view query = question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
    if (!path.starts_with('/')) return unknown();
    path.remove_prefix(1);
    const auto slash = path.find('/');
    if (slash == std::string_view::npos || !is_repository_identifier(path.substr(0, slash))) return unknown();
    GitRequest request;
    request.repository = path.substr(0, slash);
    path.remove_prefix(slash + 1);

    if (path == "info/refs") {
        if (method != "GET") return malformed("what a repository offers is asked for with GET");
        request.advertisement = true;
        for (const GitService service : services) {
            if (query != "service=" + std::string(to_string(service))) continue;
            request.service = service;
            return request;
        }
        if (query.empty())
            return Error{ErrorClass::unsupported,
                         "git_dumb_http",
                         "git's dumb HTTP protocol is not carried, only the smart one",
                         "unset GIT_SMART_HTTP",
                         "",
                         {}};
        return malformed("git fetches and pushes here, and nothing else");
    }
    for (const GitService service : services) {
        if (path != to_string(service)) continue;
        request.service = service;
        if (method != "POST" || !query.empty()) return malformed("a service of git is asked with POST and without a query");
        if (content_type != "application/x-" + std::string(to_string(service)) + "-request")
            return malformed("the request has not the content type of its service");
        return request;
    }
    return unknown();
}

Result<void> check_service(const Repository& repository, GitService service) {
    if (service == GitService::upload_pack) return {};
    if (repository.role == RepositoryRole::primary && !repository.read_only) return {};
    return Error{ErrorClass::permission,
                 "git_push_not_allowed",
                 "\"" + repository.identifier + "\" is " +
                     (repository.read_only ? "read-only" : "a " + std::string(to_string(repository.role)) + " repository") +
                     " in this session: it can be fetched and not pushed to",
                 "push to the primary repository, or change the role in the profile",
                 "",
                 {}};
}

std::optional<std::string> push_refusal(const PushCommand& command) {
    if (!command.reference.starts_with(branches)) return "a session pushes branches and no other references";
    if (command.deletes()) return "a session does not delete branches";
    return {};
}

Result<std::map<std::string, std::string>> git_environment(const std::map<std::string, std::string>& environment,
                                                           const std::vector<Repository>& repositories, std::uint16_t port) {
    std::uint32_t count = 0;
    if (const auto own = environment.find("GIT_CONFIG_COUNT"); own != environment.end()) {
        const char* const end = own->second.data() + own->second.size();
        const auto parsed = std::from_chars(own->second.data(), end, count);
        if (parsed.ec != std::errc() || parsed.ptr != end || count > 10'000)
            return Error{ErrorClass::invalid,
                         "git_config_count",
                         "the profile sets GIT_CONFIG_COUNT to something that is no number of settings",
                         "correct it, or leave it out",
                         "",
                         {}};
    }
    std::map<std::string, std::string> variables;
    for (const auto& repository : repositories) {
        const std::string number = std::to_string(count++);
        // With the slash at its end, so that a longer URL than the repository's is not taken for it.
        variables["GIT_CONFIG_KEY_" + number] =
            "url.http://127.0.0.1:" + std::to_string(port) + "/" + repository.identifier + "/.insteadOf";
        variables["GIT_CONFIG_VALUE_" + number] = repository.url;
    }
    variables["GIT_CONFIG_COUNT"] = std::to_string(count);
    return variables;
}

} // namespace sandboxkit::git
