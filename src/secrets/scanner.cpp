// SPDX-License-Identifier: Apache-2.0
// How a text is searched. One automaton of all hints reads it once and names the lines worth a look, which are few; a set of the
// same hints says which rules such a line is for; and those rules decide. Each byte is read once by each, at most, so that the
// time is linear, whatever the text.
#include "secrets/generic.hpp"
#include "secrets/pattern.hpp"
#include "secrets/rules.hpp"
#include "secrets/values.hpp"

#include <re2/set.h>

#include <algorithm>
#include <array>
#include <deque>
#include <vector>

namespace sandboxkit::secrets {

namespace {

// A key in PEM begins with one line, and is known by the next ones.
constexpr std::size_t block_bytes = 1024;

class Scanner {
public:
    Scanner() : worth_a_look_(all_hints()), set_(pattern_options(), RE2::UNANCHORED) {
        for (const auto& rule : form_rules()) {
            patterns_.emplace_back(rule.pattern);
            add(rule.hint);
        }
        add(assignment_hint());
        if (!set_.Compile()) std::abort();
    }

    std::optional<Found> scan(std::string_view text) const {
        std::array<std::string_view, 1> hit;
        for (std::size_t at = 0; at < text.size();) {
            if (!worth_a_look_.find(text, at, hit)) return {};
            const auto where = static_cast<std::size_t>(hit[0].data() - text.data());
            const std::size_t newline = text.substr(at, where - at).rfind('\n');
            const std::size_t begin = newline == std::string_view::npos ? at : at + newline + 1;
            const std::size_t end = std::min(text.find('\n', where), text.size());
            if (auto found = look(text, begin, end)) return found;
            at = end + 1;
        }
        return {};
    }

private:
    // Without \b, which the set asks for: half the states, and the processor's cache holds those that ordinary text visits.
    static std::string all_hints() {
        std::string out;
        for (const auto& rule : form_rules()) out += std::string("(?:") + rule.hint + ")|";
        for (std::size_t at = 0; (at = out.find("\\b", at)) != std::string::npos;) out.erase(at, 2);
        return out + "(?:" + std::string(assignment_hint()) + ")";
    }

    void add(std::string_view hint) {
        if (set_.Add(re2::StringPiece(hint.data(), hint.size()), nullptr) < 0) std::abort();
    }

    std::optional<Found> look(std::string_view text, std::size_t begin, std::size_t end) const {
        const std::string_view line = text.substr(begin, end - begin);
        std::vector<int> candidates;
        RE2::Set::ErrorInfo error{};
        if (!set_.Match(re2::StringPiece(line.data(), line.size()), &candidates, &error) && error.kind != RE2::Set::kNoError) {
            // Its automaton did not fit in memory: every rule is tried.
            candidates.resize(patterns_.size() + 1);
            for (std::size_t i = 0; i < candidates.size(); ++i) candidates[i] = static_cast<int>(i);
        }
        std::sort(candidates.begin(), candidates.end());
        for (const int candidate : candidates) {
            const auto i = static_cast<std::size_t>(candidate);
            if (i == patterns_.size()) return find_assignment(line);
            const bool block = form_rules()[i].judged == Judged::block;
            if (auto found = confirm(i, block ? text.substr(begin, line.size() + block_bytes) : line)) return found;
        }
        return {};
    }

    std::optional<Found> confirm(std::size_t i, std::string_view text) const {
        const FormRule& rule = form_rules()[i];
        std::array<std::string_view, 2> groups;
        for (std::size_t at = 0; at < text.size();) {
            if (!patterns_[i].find(text, at, groups)) return {};
            if (holds(rule.judged, groups[1], text)) return Found{rule.about.id, groups[1].size()};
            at = static_cast<std::size_t>(groups[0].data() - text.data()) + std::max<std::size_t>(groups[0].size(), 1);
        }
        return {};
    }

    static bool holds(Judged judged, std::string_view credential, std::string_view text) {
        switch (judged) {
        case Judged::block: return true;
        case Judged::form: return !is_placeholder(credential);
        case Judged::entropy: {
            if (is_placeholder(credential) || entropy(credential) < 2.9) return false;
            const std::size_t prefix = credential.find_first_of("_-.");
            if (std::count_if(credential.begin(), credential.end(), is_digit) >= 4) return true;
            return !is_wordy(prefix == std::string_view::npos ? credential : credential.substr(prefix + 1));
        }
        case Judged::password:
            return !is_reference(credential) && !is_placeholder(credential) && !stands_for_password(credential);
        case Judged::named: return is_secret_value(credential.substr(0, 256), false);
        case Judged::url_user:
            return is_secret_value(credential.substr(0, 256), false) &&
                   !is_sentry_dsn(text.substr(static_cast<std::size_t>(credential.data() - text.data())));
        }
        return false;
    }

    // A client key of Sentry, which stands in every page that reports to it: 32 digits, a host, the number of a project.
    static bool is_sentry_dsn(std::string_view from_user) {
        static const Pattern& pattern = *new const Pattern(R"(^[0-9a-f]{32}@[A-Za-z0-9.:-]+/[0-9]+(?:[\s"'`,;)?]|$))");
        std::array<std::string_view, 1> match;
        return pattern.find(from_user.substr(0, 512), 0, match);
    }

    // As manuals write URLs.
    static bool stands_for_password(std::string_view value) {
        static constexpr std::string_view words[] = {"password", "passwd", "pass",     "pwd",  "pw",    "secret",
                                                     "token",    "p",      "PASSWORD", "PASS", "TOKEN", "SECRET"};
        return std::find(std::begin(words), std::end(words), value) != std::end(words);
    }

    Pattern worth_a_look_;
    RE2::Set set_; // of the hints: those of the rules, then the assignment's
    std::deque<Pattern> patterns_;
};

} // namespace

} // namespace sandboxkit::secrets

namespace sandboxkit {

using namespace secrets;

std::optional<SecretFinding> find_secret(std::string_view name, std::string_view value) {
    // Never destroyed: a thread may still be in here while the program ends.
    static const Scanner& scanner = *new const Scanner;
    auto found = scanner.scan(value);
    if (!found) found = judge_named(name, value);
    if (!found) return {};
    return SecretFinding{std::string(found->rule), found->length};
}

std::span<const SecretRule> secret_rules() {
    static const auto& all = []() -> const auto& {
        auto& out = *new std::vector<SecretRule>;
        const auto add = [&](const SecretRule& rule) {
            if (std::none_of(out.begin(), out.end(), [&](const SecretRule& other) { return other.id == rule.id; }))
                out.push_back(rule);
        };
        for (const auto& rule : form_rules()) add(rule.about);
        for (const auto& rule : named_rules()) add(rule);
        add(generic_rule);
        add(random_rule);
        return out;
    }
    ();
    return all;
}

} // namespace sandboxkit
