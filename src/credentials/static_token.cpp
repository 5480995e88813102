// SPDX-License-Identifier: Apache-2.0
#include "credentials/secret_place.hpp"

#include <openssl/crypto.h>

namespace sandboxkit {

namespace {

class StaticTokenSource final : public CredentialSource {
public:
    explicit StaticTokenSource(StaticToken token) : token_(std::move(token)) {}

    Result<std::optional<Credential>> credential(const CredentialRequest& /*request*/) override {
        auto secret = credentials::read_secret(token_.secret, "the token");
        if (!secret) return secret.error();
        Credential credential(token_.username, *secret);
        ::OPENSSL_cleanse(secret->data(), secret->size());
        return std::optional<Credential>(std::move(credential));
    }

private:
    StaticToken token_;
};

} // namespace

std::shared_ptr<CredentialSource> static_token(StaticToken token) {
    return std::make_shared<StaticTokenSource>(std::move(token));
}

} // namespace sandboxkit
