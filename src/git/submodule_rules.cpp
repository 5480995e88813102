// SPDX-License-Identifier: Apache-2.0
#include "git/submodule_rules.hpp"

#include <algorithm>
#include <cctype>

namespace sandboxkit::git {

namespace {

Error malformed(std::size_t line) {
    return Error{ErrorClass::invalid,
                 "gitmodules_malformed",
                 "the repository's .gitmodules cannot be read, from line " + std::to_string(line),
                 "mend it: 'git config --file .gitmodules --list' reads it too",
                 "",
                 {}};
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.';
}

// As git-config(1) has it.
class Reader {
public:
    explicit Reader(std::string_view text) : text_(text) {}

    Result<std::vector<Submodule>> read() {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            bool good = true;
            if (c == '\n' || is_space(c))
                next();
            else if (c == '#' || c == ';')
                skip_line();
            else if (c == '[')
                good = section();
            else
                good = setting();
            if (!good) return malformed(line_);
        }
        return std::move(found_);
    }

private:
    void next() {
        if (text_[at_++] == '\n') ++line_;
    }
    void skip_line() {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    }
    void skip_spaces() {
        while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    }
    bool take(char c) {
        if (at_ >= text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    std::string word() {
        const std::size_t begin = at_;
        while (at_ < text_.size() && is_word(text_[at_])) ++at_;
        return lower(text_.substr(begin, at_ - begin));
    }

    bool section() { // [name] or [name "subsection"]
        ++at_;
        const std::string name = word();
        if (name.empty()) return false;
        skip_spaces();
        std::string sub;
        const bool has_sub = take('"');
        if (has_sub) {
            while (!take('"')) {
                if (take('\\') && at_ >= text_.size()) return false;
                if (at_ >= text_.size() || text_[at_] == '\n') return false;
                sub += text_[at_++];
            }
        }
        if (!take(']')) return false;
        in_ = nullptr;
        if (name != "submodule" || !has_sub) return true;
        const auto known = std::ranges::find(found_, sub, &Submodule::name);
        in_ = known != found_.end() ? &*known : &found_.emplace_back(Submodule{sub, "", ""});
        return true;
    }

    bool setting() {
        const std::string name = word();
        if (name.empty()) return false;
        skip_spaces();
        std::string value;
        if (take('=')) {
            if (!read_value(value)) return false;
        } else if (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '#' && text_[at_] != ';') {
            return false;
        }
        std::string* const place = !in_ ? nullptr : name == "path" ? &in_->path : name == "url" ? &in_->url : nullptr;
        if (!place) return true;
        if (!place->empty()) return false; // which of them counts is not the same in every git
        *place = std::move(value);
        return true;
    }

    bool read_value(std::string& value) {
        skip_spaces();
        bool quoted = false;
        std::size_t kept = 0; // spaces at the end do not count unless they are quoted
        while (at_ < text_.size() && text_[at_] != '\n') {
            const char c = text_[at_++];
            if (c == '"') {
                quoted = !quoted;
                kept = value.size();
            } else if (c == '\\') {
                if (at_ >= text_.size()) return false;
                const char escaped = text_[at_];
                next();
                switch (escaped) {
                case '\n': continue;
                case 'n': value += '\n'; break;
                case 't': value += '\t'; break;
                case 'b': value += '\b'; break;
                case '\\':
                case '"': value += escaped; break;
                default: return false;
                }
                kept = value.size();
            } else if (!quoted && (c == '#' || c == ';')) {
                skip_line();
                break;
            } else {
                value += c;
                if (quoted || !is_space(c)) kept = value.size();
            }
        }
        value.resize(kept);
        return !quoted;
    }

    std::string_view text_;
    std::size_t at_ = 0, line_ = 1;
    std::vector<Submodule> found_;
    Submodule* in_ = nullptr;
};

bool is_git_lookalike(std::string_view component) {
    std::string name = lower(component);
    while (name.ends_with('.') || name.ends_with(' ')) name.pop_back(); // what other file systems leave out
    return name == ".git" || name == "git~1";
}

bool safe(std::string_view path) {
    if (path.empty() || path.size() > 1024 || path.front() == '-') return false;
    if (std::ranges::any_of(
            path, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\' || c == ':' || c == '"'; }))
        return false;
    for (std::size_t begin = 0; begin <= path.size();) {
        const auto end = std::min(path.find('/', begin), path.size());
        const auto component = path.substr(begin, end - begin);
        if (component.empty() || component == "." || component == ".." || component.front() == '-' || is_git_lookalike(component))
            return false;
        begin = end + 1;
    }
    return true;
}

Error refused(const Submodule& submodule, std::string why) {
    return Error{ErrorClass::permission,
                 "submodule_refused",
                 "the submodule \"" + submodule.name + "\" is refused: " + std::move(why),
                 "give it a URL on its parent's host, relative to the parent's say, or clone without submodules",
                 submodule.url,
                 {}};
}

} // namespace

Result<std::vector<Submodule>> parse_gitmodules(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    return Reader(text).read();
}

Result<void> check_names(const Submodule& submodule) {
    if (safe(submodule.name) && safe(submodule.path)) return {};
    return Error{ErrorClass::invalid,
                 "submodule_unsafe",
                 "the repository has a submodule whose name or path cannot be used safely",
                 "rename it, or clone without submodules",
                 submodule.name + " at " + submodule.path,
                 {}};
}

Result<std::string> submodule_url(const Submodule& submodule, std::string_view parent) {
    std::string_view rest = submodule.url;
    std::string url(rest);
    if (rest.starts_with("./") || rest.starts_with("../")) {
        std::string base(parent);
        if (base.ends_with('/')) base.pop_back();
        char separator = '/';
        for (;;) {
            if (rest.starts_with("./")) {
                rest.remove_prefix(2);
            } else if (rest.starts_with("../")) {
                rest.remove_prefix(3);
                const auto cut = base.find_last_of(base.find('/') == std::string::npos ? ":" : "/");
                if (cut == std::string::npos) return refused(submodule, "its URL leads above its parent's");
                separator = base[cut]; // user@host:path
                base.resize(cut);
            } else {
                break;
            }
        }
        url = base + separator + std::string(rest);
        if (url.ends_with('/')) url.pop_back();
    }
    const auto to = parse_url(url);
    if (!to) return refused(submodule, to.error().message);
    const auto from = parse_url(parent);
    if (!from) return from.error();
    using Kind = RemoteUrl::Kind;
    const bool from_file = from->kind == Kind::file;
    if (to->kind == Kind::file && !from_file) return refused(submodule, "it is a file of this machine, and its parent is not");
    if (to->kind == Kind::http && !to->tls && !from_file && !(from->kind == Kind::http && !from->tls))
        return refused(submodule, "it is reached in the clear, and its parent is not");
    if (to->kind != Kind::file && may_be_near(to->host) && !from_file && !may_be_near(from->host))
        return refused(submodule, "it is on this machine or its link, and its parent is not");
    if (to->kind == Kind::ssh && !from_file && to->host != from->host)
        return refused(submodule, "it is reached over SSH on another host than its parent's");
    return url;
}

bool same_server(const RemoteUrl& a, const RemoteUrl& b) {
    return a.kind == b.kind && a.tls == b.tls && a.host == b.host && a.port == b.port;
}

} // namespace sandboxkit::git
