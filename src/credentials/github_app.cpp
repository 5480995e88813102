// SPDX-License-Identifier: Apache-2.0
// Installation tokens of a GitHub App: minted for one repository and one purpose, shared while they last, revoked when over.
#include "credentials/github_api.hpp"
#include "credentials/jwt.hpp"
#include "credentials/secret_place.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <list>
#include <map>
#include <mutex>
#include <utility>

namespace sandboxkit {

namespace {

using credentials::AccessToken;
using credentials::GithubApi;

constexpr auto shortest_rest = std::chrono::minutes(5); // of a token that is used again
constexpr std::size_t most_installations = 10'000;      // that are remembered

struct Repository {
    std::string owner, name;
};

// Nothing for a URL that is none of a repository of GitHub.
std::optional<Repository> repository_of(const credentials::HttpUrl& url) {
    if (url.path.size() != 2) return {};
    Repository repository{url.path[0], url.path[1]};
    if (repository.name.size() > 4 && repository.name.ends_with(".git")) repository.name.resize(repository.name.size() - 4);
    return repository;
}

class GithubAppSource final : public CredentialSource {
public:
    GithubAppSource(GithubApp app, credentials::HttpUrl api)
        : app_(std::move(app)), clock_(app_.clock ? app_.clock : std::make_shared<Clock>()), api_host_(api.host),
          api_(std::move(api), app_.ca_file, app_.limit) {}
    GithubAppSource(const GithubAppSource&) = delete;
    GithubAppSource& operator=(const GithubAppSource&) = delete;
    ~GithubAppSource() override {
        for (auto& token : tokens_) forget(token);
    }

    Result<std::optional<Credential>> credential(const CredentialRequest& request) override {
        if (request.purpose == CredentialPurpose::pull) return std::nullopt;
        const auto url = credentials::parse_http_url(request.url);
        if (url && !serves(url->host)) return std::nullopt;
        const bool push = request.purpose == CredentialPurpose::push;
        if (push && request.role == RepositoryRole::reference)
            return Error{ErrorClass::permission,
                         "github_reference_push",
                         "a reference repository is not pushed to",
                         "give the repository another role in the profile",
                         "",
                         {}};
        const auto repository = url ? repository_of(*url) : std::nullopt;
        if (!repository)
            return Error{ErrorClass::invalid,
                         "github_repository",
                         "the URL is not that of a repository on GitHub",
                         "write it as https://HOST/OWNER/NAME",
                         "",
                         {}};
        const std::string key = repository->owner + "/" + repository->name + (push ? " write" : " read");
        if (auto shared = share(key)) return shared;
        auto minted = mint(*repository, push ? "write" : "read");
        if (!minted) return minted.error();
        auto credential = keep(key, *minted);
        ::OPENSSL_cleanse(minted->token.data(), minted->token.size());
        return std::optional<Credential>(std::move(credential));
    }

    Result<void> release(const CredentialRequest& /*request*/, const Credential& credential, CredentialUse use) override {
        {
            const std::lock_guard lock(mutex_);
            const auto found = std::find_if(tokens_.begin(), tokens_.end(),
                                            [&](const Token& token) { return token.value.token == credential.secret; });
            if (found == tokens_.end()) return {}; // it has ended meanwhile
            if (use.refused) found->good = false;
            if (--found->users > 0 || (found->good && !use.over)) return {};
            forget(*found);
            tokens_.erase(found);
        }
        return api_.revoke(credential.secret, clock_->now());
    }

private:
    struct Token {
        std::string key;
        AccessToken value;
        int users = 1;    // that have not given it back
        bool good = true; // else nobody gets it any more
    };

    // A token of this GitHub is for its own repositories: another host would get it for asking.
    [[nodiscard]] bool serves(std::string_view host) const {
        return host == api_host_ || "api." + std::string(host) == api_host_;
    }

    static void forget(Token& token) { ::OPENSSL_cleanse(token.value.token.data(), token.value.token.size()); }

    static Credential credential_of(const AccessToken& token) {
        Credential credential("x-access-token", token.token);
        credential.expires = token.expires;
        return credential;
    }

    // One that was minted before, for the same, and lasts.
    std::optional<Credential> share(const std::string& key) {
        const auto now = clock_->now();
        const std::lock_guard lock(mutex_);
        for (auto token = tokens_.begin(); token != tokens_.end();) {
            if (token->value.expires <= now) {
                forget(*token);
                token = tokens_.erase(token);
                continue;
            }
            if (token->good && token->key == key && token->value.expires - now > shortest_rest) {
                ++token->users;
                return credential_of(token->value);
            }
            ++token;
        }
        return {};
    }

    Credential keep(const std::string& key, const AccessToken& token) {
        const std::lock_guard lock(mutex_);
        tokens_.push_back({key, token});
        return credential_of(token);
    }

    Result<AccessToken> mint(const Repository& repository, std::string_view contents) {
        const auto now = clock_->now();
        auto key = credentials::read_secret(app_.private_key, "the private key of the GitHub App");
        if (!key) return key.error();
        auto jwt = credentials::github_jwt(app_.issuer, *key, std::chrono::floor<std::chrono::seconds>(now));
        ::OPENSSL_cleanse(key->data(), key->size());
        if (!jwt) return jwt.error();
        bool remembered = false;
        auto installation = installation_of(*jwt, repository, now, remembered);
        if (!installation) return installation.error();
        auto token = api_.access_token(*jwt, *installation, repository.name, contents, now);
        if (!token && token.error().code == "github_not_installed" && remembered) {
            // Installed anew, it has another id.
            forget_installation(repository);
            installation = installation_of(*jwt, repository, now, remembered);
            if (!installation) return installation.error();
            token = api_.access_token(*jwt, *installation, repository.name, contents, now);
        }
        if (!token) forget_installation(repository);
        return token;
    }

    Result<std::uint64_t> installation_of(const std::string& jwt, const Repository& repository, Timestamp now, bool& remembered) {
        const std::string name = repository.owner + "/" + repository.name;
        {
            const std::lock_guard lock(mutex_);
            const auto known = installations_.find(name);
            remembered = known != installations_.end();
            if (remembered) return known->second;
        }
        auto id = api_.installation(jwt, repository.owner, repository.name, now);
        if (!id) return id;
        const std::lock_guard lock(mutex_);
        if (installations_.size() >= most_installations) installations_.clear();
        installations_[name] = *id;
        return id;
    }

    void forget_installation(const Repository& repository) {
        const std::lock_guard lock(mutex_);
        installations_.erase(repository.owner + "/" + repository.name);
    }

    GithubApp app_;
    std::shared_ptr<Clock> clock_;
    std::string api_host_;
    GithubApi api_;
    std::mutex mutex_; // of what follows; not held while GitHub is asked
    std::list<Token> tokens_;
    std::map<std::string, std::uint64_t> installations_; // by "owner/name"
};

} // namespace

Result<std::shared_ptr<CredentialSource>> github_app(GithubApp app) {
    auto api = credentials::parse_http_url(app.api);
    if (!api || (!api->tls && !credentials::is_this_machine(*api)))
        return Error{ErrorClass::invalid,
                     "github_api",
                     "this is no URL of GitHub's API",
                     "write https://api.github.com, or https://HOST/api/v3 for GitHub Enterprise Server",
                     "",
                     {}};
    if (!api->tls && !app.ca_file.empty())
        return Error{ErrorClass::invalid,
                     "github_api",
                     "authorities are named for an API that is reached without TLS",
                     "leave them out, or write https://",
                     "",
                     {}};
    return std::shared_ptr<CredentialSource>(std::make_shared<GithubAppSource>(std::move(app), std::move(*api)));
}

} // namespace sandboxkit
