// SPDX-License-Identifier: Apache-2.0
// Which source is asked for a request: never one whose scope does not cover it.
#include "credentials/http_url.hpp"

#include <sandboxkit/credential_sources.hpp>

#include <tuple>

namespace sandboxkit {

namespace {

using credentials::HttpUrl;

std::string_view without_suffix(std::string_view name) {
    return name.size() > 4 && name.ends_with(".git") ? name.substr(0, name.size() - 4) : name;
}

bool is_below(const std::vector<std::string>& path, const std::vector<std::string>& scope) {
    if (path.size() < scope.size()) return false;
    for (std::size_t i = 0; i < scope.size(); ++i) {
        if (path[i] == scope[i]) continue;
        // The repository itself: servers take its name with the suffix and without.
        const bool last = i + 1 == scope.size() && i + 1 == path.size();
        if (!last || without_suffix(path[i]) != without_suffix(scope[i])) return false;
    }
    return true;
}

bool same_server(const HttpUrl& a, const HttpUrl& b) {
    return a.tls == b.tls && a.host == b.host && a.port == b.port;
}

class ScopedSources final : public CredentialSource {
public:
    explicit ScopedSources(std::vector<ScopedSource> sources) : sources_(std::move(sources)) {}

    Result<std::optional<Credential>> credential(const CredentialRequest& request) override {
        CredentialSource* const source = source_for(request);
        if (!source) return std::nullopt;
        return source->credential(request);
    }

    Result<void> release(const CredentialRequest& request, const Credential& credential, CredentialUse use) override {
        CredentialSource* const source = source_for(request); // the same as before: it depends on the request alone
        return source ? source->release(request, credential, use) : Result<void>{};
    }

private:
    CredentialSource* source_for(const CredentialRequest& request) const {
        CredentialSource* narrowest = nullptr;
        std::tuple<bool, std::size_t> best;
        for (const auto& [scope, source] : sources_) {
            if (!covers(scope, request)) continue;
            const std::tuple rank(scope.connection.has_value(), credentials::parse_http_url(scope.url)->path.size());
            if (narrowest && rank <= best) continue;
            narrowest = source.get();
            best = rank;
        }
        return narrowest;
    }

    std::vector<ScopedSource> sources_;
};

} // namespace

bool covers(const CredentialScope& scope, const CredentialRequest& request) {
    if (scope.connection && scope.connection != request.connection) return false;
    const auto allowed = credentials::parse_http_url(scope.url), wanted = credentials::parse_http_url(request.url);
    if (!allowed || !wanted || !same_server(*allowed, *wanted)) return false;
    if (!allowed->tls && !credentials::is_this_machine(*allowed)) return false;
    return is_below(wanted->path, allowed->path);
}

std::shared_ptr<CredentialSource> scoped_sources(std::vector<ScopedSource> sources) {
    return std::make_shared<ScopedSources>(std::move(sources));
}

} // namespace sandboxkit
