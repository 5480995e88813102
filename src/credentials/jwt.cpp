// SPDX-License-Identifier: Apache-2.0
#include "credentials/jwt.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>
#include <vector>

namespace sandboxkit::credentials {

namespace {

struct Free {
    void operator()(BIO* bio) const { ::BIO_free(bio); }
    void operator()(EVP_PKEY* key) const { ::EVP_PKEY_free(key); }
    void operator()(EVP_MD_CTX* context) const { ::EVP_MD_CTX_free(context); }
};

// RFC 4648, 5: without padding.
std::string base64_url(const unsigned char* bytes, std::size_t size) {
    std::string text((size + 2) / 3 * 4 + 1, '\0'); // with the terminator
    const int length = ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes, static_cast<int>(size));
    text.resize(static_cast<std::size_t>(length));
    while (text.ends_with('=')) text.pop_back();
    for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return text;
}

std::string base64_url(std::string_view text) {
    return base64_url(reinterpret_cast<const unsigned char*>(text.data()), text.size());
}

Error bad_key(std::string message) {
    ::ERR_clear_error();
    return {ErrorClass::invalid, "github_key", std::move(message), "use the app's private key as GitHub made it, in PEM", "", {}};
}

int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*unused*/) {
    return -1;
}

} // namespace

Result<std::string> github_jwt(const std::string& issuer, const std::string& private_key, std::chrono::sys_seconds now) {
    const std::unique_ptr<BIO, Free> bio(::BIO_new_mem_buf(private_key.data(), static_cast<int>(private_key.size())));
    const std::unique_ptr<EVP_PKEY, Free> key(bio ? ::PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr)
                                                  : nullptr);
    if (!key) return bad_key("the private key of the GitHub App is not PEM, or has a passphrase");
    if (::EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA || ::EVP_PKEY_get_bits(key.get()) < 2048)
        return bad_key("the private key of the GitHub App is not an RSA key of at least 2048 bits");

    const auto seconds = now.time_since_epoch().count();
    const boost::json::object claims{{"iat", seconds - 60}, {"exp", seconds + 540}, {"iss", issuer}};
    std::string text = base64_url(R"({"alg":"RS256","typ":"JWT"})") + "." + base64_url(boost::json::serialize(claims));

    const std::unique_ptr<EVP_MD_CTX, Free> context(::EVP_MD_CTX_new());
    const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
    std::size_t size = 0;
    if (!context || ::EVP_DigestSignInit(context.get(), nullptr, ::EVP_sha256(), nullptr, key.get()) != 1 ||
        ::EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size()) != 1)
        return bad_key("OpenSSL cannot sign with the private key of the GitHub App");
    std::vector<unsigned char> signature(size);
    if (::EVP_DigestSign(context.get(), signature.data(), &size, bytes, text.size()) != 1)
        return bad_key("OpenSSL cannot sign with the private key of the GitHub App");
    return text + "." + base64_url(signature.data(), size);
}

} // namespace sandboxkit::credentials
