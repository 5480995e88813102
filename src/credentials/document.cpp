// SPDX-License-Identifier: Apache-2.0
// Sources of credentials as a JSON document describes them: docs/credentials.md.
#include "credentials/http_url.hpp"

#include <sandboxkit/credential_sources.hpp>
#include <sandboxkit/object_reader.hpp>
#include <sandboxkit/profile_rules.hpp>

#include <algorithm>
#include <array>

namespace sandboxkit {

namespace {

constexpr std::size_t most_sources = 1000, longest_text = 4096, longest_name = 256;

enum class Kind : std::uint8_t { token, gitlab, bitbucket, command, github_app };
constexpr std::array<std::pair<std::string_view, Kind>, 5> kinds{{{"token", Kind::token},
                                                                  {"gitlab", Kind::gitlab},
                                                                  {"bitbucket", Kind::bitbucket},
                                                                  {"command", Kind::command},
                                                                  {"github_app", Kind::github_app}}};
// Of a Bitbucket token, by what it is: the user name that Git has to say.
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> bitbucket_names{
    {{"api", "x-bitbucket-api-token-auth"}, {"access", "x-token-auth"}}};

void add(ObjectReader& reader, std::string_view name, const std::optional<FormFault>& fault) {
    if (fault) reader.problem(name, fault->code, fault->message, fault->remedy);
}

std::filesystem::path read_path(ObjectReader& reader, std::string_view name) {
    const auto text = reader.string(name, longest_text);
    if (text) add(reader, name, check_absolute_path(*text));
    return text.value_or("");
}

SecretPlace read_place(ObjectReader& source, std::string_view name) {
    SecretPlace place;
    source.require(name);
    auto reader = source.object(name);
    if (!reader || !reader->is_object()) return place;
    place.file = read_path(*reader, "file");
    if (const auto variable = reader->string("environment", longest_name)) {
        place.variable = *variable;
        if (!is_environment_name(*variable))
            reader->problem("environment", "bad_value", "this is no name of an environment variable", "write the name alone");
    }
    reader->finish();
    if (reader->has("file") == reader->has("environment"))
        source.problem(name, "bad_value", "a secret is either in a file or in an environment variable",
                       R"(write {"file": "/path"} or {"environment": "NAME"})");
    return place;
}

CredentialScope read_scope(ObjectReader& reader) {
    CredentialScope scope;
    reader.require("url");
    if (const auto url = reader.string("url", longest_text)) {
        scope.url = *url;
        const auto parsed = credentials::parse_http_url(*url);
        if (!parsed || (!parsed->tls && !credentials::is_this_machine(*parsed)))
            reader.problem("url", "bad_form", "this is no URL that credentials can be for",
                           "write https://host or https://host/path, without user information, query or '..'");
    }
    if (const auto connection = reader.string("connection", longest_name)) {
        scope.connection = *connection;
        if (connection->empty() || detail::has_control_character(*connection))
            reader.problem("connection", "bad_value", "this is no id of a connection", "write it as profiles name it");
    }
    return scope;
}

std::vector<std::string> read_strings(ObjectReader& reader, std::string_view name, ProblemList& problems) {
    std::vector<std::string> all;
    const auto* const array = reader.array(name);
    for (std::size_t i = 0; array && i < array->size(); ++i)
        all.push_back(
            ObjectReader::string_of((*array)[i], pointer_to(reader.pointer(name), i), longest_text, problems).value_or(""));
    return all;
}

std::shared_ptr<CredentialSource> read_token(ObjectReader& reader, Kind kind) {
    StaticToken token;
    token.secret = read_place(reader, "secret");
    if (kind == Kind::gitlab) token.username = "oauth2"; // any will do, but not an empty one
    if (kind == Kind::bitbucket) {
        reader.require("token");
        token.username = reader.choice<std::string_view>("token", bitbucket_names).value_or("");
    }
    if (kind == Kind::token) {
        token.username = reader.string("username", 1024).value_or("");
        if (token.username.find(':') != std::string::npos || detail::has_control_character(token.username))
            reader.problem("username", "bad_value", "a user name has no ':' and no control characters", "change it");
    }
    return static_token(std::move(token));
}

std::shared_ptr<CredentialSource> read_command(ObjectReader& reader, ProblemList& problems) {
    CredentialCommand command;
    reader.require("command");
    command.argv = read_strings(reader, "command", problems);
    if (reader.has("command") && (command.argv.empty() || check_absolute_path(command.argv.front())))
        reader.problem("command", "bad_value", "the program of a command is an absolute path",
                       "write it out: no shell looks for it");
    command.path = reader.boolean("path").value_or(false);
    command.environment = read_strings(reader, "environment", problems);
    for (std::size_t i = 0; i < command.environment.size(); ++i)
        if (!is_environment_name(command.environment[i]))
            problems.add(pointer_to(reader.pointer("environment"), i), "bad_value", "this is no name of an environment variable",
                         "write the name alone");
    if (const auto seconds = reader.integer("timeout_seconds", 1, 600)) command.limit = std::chrono::seconds(*seconds);
    return credential_command(std::move(command));
}

std::shared_ptr<CredentialSource> read_github_app(ObjectReader& reader, const CredentialScope& scope) {
    GithubApp app;
    reader.require("issuer");
    app.issuer = reader.string("issuer", longest_name).value_or("");
    if (reader.has("issuer") && (app.issuer.empty() || detail::has_control_character(app.issuer)))
        reader.problem("issuer", "bad_value", "this is no id of an app", "write its client ID, or its app ID as a string");
    app.private_key = read_place(reader, "private_key");
    app.ca_file = read_path(reader, "ca_file");
    const auto host = credentials::parse_http_url(scope.url);
    if (const auto api = reader.string("api", longest_text))
        app.api = *api;
    else if (host && host->host != "github.com")
        app.api = (host->tls ? "https://" : "http://") + credentials::authority_of(*host) + "/api/v3";
    auto source = github_app(std::move(app));
    if (source) return *source;
    reader.problem("api", "bad_form", source.error().message, source.error().remedy);
    return nullptr;
}

std::shared_ptr<CredentialSource> read_source(ObjectReader& reader, Kind kind, const CredentialScope& scope,
                                              ProblemList& problems) {
    switch (kind) {
    case Kind::token:
    case Kind::gitlab:
    case Kind::bitbucket: return read_token(reader, kind);
    case Kind::command: return read_command(reader, problems);
    case Kind::github_app: return read_github_app(reader, scope);
    }
    return nullptr;
}

// Two that would always cover the same requests.
bool same(const CredentialScope& a, const CredentialScope& b) {
    const auto one = credentials::parse_http_url(a.url), other = credentials::parse_http_url(b.url);
    return one && other && a.connection == b.connection && one->tls == other->tls && one->host == other->host &&
           one->port == other->port && one->path == other->path;
}

} // namespace

Result<std::shared_ptr<CredentialSource>> read_credential_sources(std::string_view document) {
    ProblemList problems;
    std::vector<ScopedSource> sources;
    const auto value = parse_collecting(document, JsonLimits{}, problems);
    if (value) {
        ObjectReader whole(*value, "", problems);
        whole.require("sources");
        const auto* const array = whole.array("sources");
        if (array && array->size() > most_sources)
            whole.problem("sources", "too_long", "there are more than 1000 sources", "name fewer");
        for (std::size_t i = 0; array && i < std::min(array->size(), most_sources); ++i) {
            ObjectReader reader((*array)[i], pointer_to("/sources", i), problems);
            reader.require("kind");
            const auto kind = reader.choice<Kind>("kind", kinds);
            auto scope = read_scope(reader);
            if (!kind) continue; // what else it may have depends on it
            auto source = read_source(reader, *kind, scope, problems);
            reader.finish();
            if (std::ranges::any_of(sources, [&](const ScopedSource& other) { return same(other.scope, scope); }))
                reader.problem("url", "duplicate", "another source has this URL and connection already", "remove one of them");
            sources.push_back({std::move(scope), std::move(source)});
        }
        whole.finish();
    }
    if (!problems.empty())
        return document_error("credential_sources_invalid", "the document of credential sources", problems.take());
    return scoped_sources(std::move(sources));
}

} // namespace sandboxkit
