// SPDX-License-Identifier: Apache-2.0
#include "secrets/generic.hpp"

#include "secrets/names.hpp"
#include "secrets/pattern.hpp"
#include "secrets/values.hpp"

#include <algorithm>
#include <array>

namespace sandboxkit::secrets {

// How much of a value is judged: what is beyond does not make it another kind of value, and a line of nothing but names and
// separators is still looked at in linear time.
static constexpr std::size_t judged_bytes = 128;

static constexpr SecretRule named[] = {
    {"aws-secret-access-key", "a secret access key of AWS, by its name"},
    {"azure-storage-key", "an account key of Azure Storage or Cosmos DB, by its name"},
    {"datadog-key", "a key of Datadog, by its name"},
    {"twilio-auth-token", "an auth token of Twilio, by its name"},
    {"cloudflare-key", "a key of Cloudflare, by its name"},
    {"heroku-key", "an API key of Heroku, by its name"},
    {"mistral-key", "an API key of Mistral, by its name"},
    {"cohere-key", "an API key of Cohere, by its name"},
    {"okta-token", "a token of Okta, by its name"},
    {"vercel-token", "a token of Vercel, by its name"},
    {"algolia-key", "an API key of Algolia, by its name"},
    {"fastly-token", "a token of Fastly, by its name"},
};

struct NamedForm {
    std::array<std::string_view, 3> words; // one of them is in the name
    const char* pattern;                   // of the whole value
};

// Beside `named`.
static constexpr NamedForm forms[] = {
    {{"aws", "access", "s3"}, "[A-Za-z0-9/+]{40}"},
    {{"azure", "storage", "account"}, "[A-Za-z0-9+/]{86}=="},
    {{"datadog", "dd", "ddog"}, "[a-f0-9]{32}|[a-f0-9]{40}"},
    {{"twilio", "", ""}, "[a-f0-9]{32}"},
    {{"cloudflare", "cf", ""}, "[A-Za-z0-9_-]{40}|[a-f0-9]{37}"},
    {{"heroku", "", ""}, "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"},
    {{"mistral", "", ""}, "[A-Za-z0-9]{32}"},
    {{"cohere", "co", ""}, "[A-Za-z0-9]{40}"},
    {{"okta", "", ""}, "00[A-Za-z0-9_-]{38,}"},
    {{"vercel", "", ""}, "[A-Za-z0-9]{24}"},
    {{"algolia", "", ""}, "[a-f0-9]{32}"},
    {{"fastly", "", ""}, "[A-Za-z0-9_-]{32}"},
};
static_assert(std::size(named) == std::size(forms));

std::span<const SecretRule> named_rules() {
    return named;
}

static const std::array<Pattern, std::size(forms)>& named_patterns() {
    static const auto& patterns = []<std::size_t... I>(std::index_sequence<I...>)->const auto& {
        return *new const std::array<Pattern, sizeof...(I)>{Pattern(forms[I].pattern)...};
    }
    (std::make_index_sequence<std::size(forms)>());
    return patterns;
}

static std::optional<Found> judge(Naming naming, const NameWords& words, std::string_view value) {
    if (naming == Naming::none || naming == Naming::harmless || value.size() > longest_token) return {};
    const std::string_view part = value.substr(0, judged_bytes);
    if (!is_secret_value(part, naming == Naming::password)) {
        // The key of AWS that begins like a path.
        if (part.size() != 40 || part.front() != '/' || !words.contains("aws") || entropy(part) < 4) return {};
    }
    for (std::size_t i = 0; i < std::size(forms); ++i) {
        const auto fits = [&](std::string_view word) { return !word.empty() && words.contains(word); };
        if (std::any_of(forms[i].words.begin(), forms[i].words.end(), fits) && named_patterns()[i].is_all_of(value))
            return Found{named[i].id, value.size()};
    }
    return Found{generic_rule.id, value.size()};
}

std::optional<Found> judge_named(std::string_view name, std::string_view value) {
    if (value.size() < 6) return {};
    const NameWords words(name);
    const Naming naming = naming_of(words);
    if (auto found = judge(naming, words, value)) return found;
    if (naming == Naming::none && is_random_token(value)) return Found{random_rule.id, value.size()};
    return {};
}

#define NAME_PART "[A-Za-z0-9_.-]"
// The end of a name that naming_of takes for a secret's: nothing but its qualifiers comes after the word. Without \b, as hints
// are.
#define NAME_END                                                                                                                 \
    "(?i:passw(?:or)?d|passphrase|passcode|pass|pswd|pwd|pw|secret|token|key|cred(?:s|entials?)?|jwt|bearer|salt|pepper|auth|"   \
    "pat)"                                                                                                                       \
    "(?:[_.-]?(?i:prod(?:uction)?|dev(?:elopment)?|stag(?:e|ing)|test(?:ing)?|live|sandbox|local|default|old|new|current|"       \
    "prev(?:ious)?|val(?:ue)?|base(?:64)?|b64|raw|plain(?:text)?|text|str(?:ing)?|data|main|global|ci|backup|primary|"           \
    "secondary|v?[0-9]+))*"
#define SEPARATOR R"([\\"'\]]{0,3}[ \t]*(?:=>|:=|[:=>]))"

std::string_view assignment_hint() {
    // A value that begins like a reference, or is a call, does not make the line worth a look.
    return NAME_END SEPARATOR R"([ \t]*[\\"'`]{0,2}[^\s"'`$<{(\\\[=][^\s"'`$({\[]{5})"
                              "|--?[A-Za-z-]*" NAME_END R"([ \t]+["']?[^\s"'`$<{(-][^\s"'`$({]{5})";
}

static constexpr Bytes after_word(" \t\r\n\v\f\"'`,;)}]&|<>\\");

// The word at `begin`, without its quotes; empty for a quoted text of several words.
static std::string_view value_at(std::string_view line, std::size_t begin) {
    while (begin < line.size() && (line[begin] == ' ' || line[begin] == '\t')) ++begin;
    if (begin < line.size() && line[begin] == '\\') ++begin;
    char quote = 0;
    if (begin < line.size() && (line[begin] == '"' || line[begin] == '\'' || line[begin] == '`')) quote = line[begin++];
    std::size_t end = begin;
    if (quote != 0) {
        while (end < line.size() && line[end] != quote) {
            if (is_space(line[end])) return {};
            // Long enough to be judged, and too long to be read at every name of a hostile line.
            if (++end - begin > 2 * judged_bytes) break;
        }
        if (end > begin && line[end - 1] == '\\') --end;
    } else {
        while (end < line.size() && !after_word.contains(line[end]))
            if (++end - begin > 2 * judged_bytes) break;
    }
    return line.substr(begin, end - begin);
}

// The colons in arn:aws:secretsmanager:eu-west-1:123456789012:secret:name-AbCdEf separate no name from its value.
static bool is_in_resource_name(std::string_view line, std::string_view match) {
    const auto at = static_cast<std::size_t>(match.data() - line.data());
    const std::size_t from = at - std::min(at, judged_bytes);
    const std::string_view before = line.substr(from, at - from);
    const std::size_t space = before.find_last_of(" \t\"'=,");
    return before.substr(space == std::string_view::npos ? 0 : space + 1).starts_with("arn:");
}

std::optional<Found> find_assignment(std::string_view line) {
    static const Pattern& pattern = *new const Pattern("(" NAME_PART "*" NAME_END ")" SEPARATOR "|"
                                                       "(--?[A-Za-z-]*" NAME_END ")[ \t]+");
    std::array<std::string_view, 3> groups;
    for (std::size_t at = 0; at < line.size();) {
        if (!pattern.find(line, at, groups)) break;
        at = static_cast<std::size_t>(groups[0].data() - line.data()) + groups[0].size();
        const NameWords words(groups[1].empty() ? groups[2] : groups[1]);
        const Naming naming = naming_of(words);
        if (naming == Naming::none || naming == Naming::harmless) continue;
        const std::string_view value = value_at(line, at);
        // Code, a pattern, the host after "user:<password>@", the file that curl sends.
        if (value.find('(') != std::string_view::npos || value.starts_with(".*") || value.starts_with('@')) continue;
        if (is_in_resource_name(line, groups[0])) continue;
        if (auto found = judge(naming, words, value)) {
            // Only how much of it is told, so that the end may be looked for now.
            if (value.size() > 2 * judged_bytes) {
                const auto end = line.find_first_of(" \t\"'`", static_cast<std::size_t>(value.data() - line.data()));
                found->length =
                    (end == std::string_view::npos ? line.size() : end) - static_cast<std::size_t>(value.data() - line.data());
            }
            return found;
        }
    }
    return {};
}

} // namespace sandboxkit::secrets
