// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/base_image.hpp"

#include "providers/docker/daemon_error.hpp"
#include "providers/docker/operation.hpp"

#include <sandboxkit/digest.hpp>

#include <boost/json/serialize.hpp>

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sandboxkit::docker {

namespace {

constexpr std::string_view oci_prefix = "oci:", archive_prefix = "archive:";
constexpr const char* base_repository = "sandboxkit-base";
constexpr std::size_t piece_size = 256 << 10;

Error mismatch(std::string_view wanted, std::string_view found) {
    return {ErrorClass::invalid,
            "image_digest_mismatch",
            "the image has another digest than the one that is asked for",
            "change the digest, or the image",
            "asked for " + envd::bounded_text(wanted, 128) + ", found " + envd::bounded_text(found, 128),
            {}};
}

// base64url with padding, as the daemon reads it.
std::string base64_url(std::string_view bytes) {
    constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const auto at = [&](std::size_t k) { return k < bytes.size() ? static_cast<unsigned char>(bytes[k]) : 0U; };
        const unsigned group = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
        for (std::size_t k = 0; k < 4; ++k) text += i + k <= bytes.size() ? digits[group >> (18 - 6 * k) & 63] : '=';
    }
    return text;
}

std::string registry_auth(const Credential& credential, const std::string& registry) {
    const json::object object{{"username", credential.username.empty() ? "x-access-token" : credential.username},
                              {"password", credential.secret},
                              {"serveraddress", registry == "docker.io" ? "https://index.docker.io/v1/" : registry}};
    return base64_url(json::serialize(object));
}

ProgressDecoder::Listener listener_of(const ImageRequest& request) {
    if (!request.progress) return {};
    return [&request](const ProgressDecoder::Progress& progress) {
        request.progress({progress.message, progress.done, progress.total});
    };
}

Task<void> pull_once(DaemonPtr daemon, ImageReference reference, std::string auth, const ImageRequest& request) {
    EngineRequest pull;
    pull.what = "cannot pull the image " + reference.text();
    pull.method = "POST";
    pull.path = "/images/create";
    pull.query = {{"fromImage", reference.repository}, {"tag", reference.digest.empty() ? reference.tag : reference.digest}};
    if (!auth.empty()) pull.headers.emplace_back("X-Registry-Auth", std::move(auth));
    auto done = co_await daemon->client.follow(std::move(pull), {}, listener_of(request));
    if (!done) co_return done.error();
    co_return Result<void>{};
}

Task<void> pull(DaemonPtr daemon, ImageReference reference, const ImageRequest& request) {
    auto pulled = co_await pull_once(daemon, reference, {}, request);
    if (pulled || !request.credential || !wants_credential(pulled.error())) co_return pulled;
    auto work = [&request, registry = reference.registry](std::stop_token) { return request.credential(registry); };
    auto credential = co_await async::blocking(*daemon->pool, std::move(work));
    if (!credential) co_return credential.error();
    if (!*credential) co_return pulled;
    pulled = co_await pull_once(daemon, reference, registry_auth(**credential, reference.registry), request);
    co_return pulled;
}

// What a refused pull means for who asked: the daemon wraps what the registry said into whatever status it likes.
Error translate(Error error, const ImageReference& reference) {
    const Error told = failure_in_stream(error.detail, "cannot pull the image " + reference.text());
    if (wants_credential(error)) {
        error.kind = ErrorClass::permission;
        error.code = "docker_permission";
        error.message = "cannot pull the image " + reference.text() + ": the registry does not permit it, or has no such image";
        error.remedy = "give a credential for " + reference.registry;
    } else if (error.kind == ErrorClass::internal && error.code == "docker_failed") {
        error = told;
    }
    if (error.code == "docker_not_found") {
        error.code = "image_not_found";
        error.message = "there is no image " + reference.text();
        error.remedy = "check the reference";
    }
    return error;
}

Task<void> check_platform(DaemonPtr daemon, ImageStatus image) {
    auto info = co_await daemon_info(daemon, true);
    if (!info) co_return info.error();
    const std::string own = image_architecture(info->architecture);
    const bool fits = (image.architecture.empty() || image.architecture == own) && (image.os.empty() || image.os == "linux");
    if (fits) co_return Result<void>{};
    co_return Error{ErrorClass::unsupported,
                    "image_architecture",
                    "the image is for " + envd::bounded_text(image.os + "/" + image.architecture, 64) +
                        ", the Docker daemon for linux/" + own,
                    "use an image for it",
                    "",
                    {}};
}

Task<BaseImage> pulled_image(DaemonPtr daemon, std::string text, const ImageRequest& request) {
    auto parsed = parse_image_reference(text);
    if (!parsed) co_return parsed.error();
    ImageReference reference = std::move(*parsed);
    if (request.digest && !reference.digest.empty() && reference.digest != *request.digest)
        co_return mismatch(*request.digest, reference.digest);
    // With a digest it is what it is, wherever it comes from. It may also be that of an image that no registry has.
    std::optional<ImageStatus> image;
    ImageReference pinned = reference;
    if (request.digest) pinned.digest = *request.digest;
    if (!pinned.digest.empty()) {
        auto found = co_await find_image(daemon, pinned.text());
        if (!found) co_return found.error();
        image = std::move(*found);
        if (!image && reference.digest.empty()) {
            found = co_await find_image(daemon, reference.text());
            if (!found) co_return found.error();
            if (*found && has_digest(**found, pinned.digest)) image = std::move(*found);
        }
    }
    if (!image) {
        auto pulled = co_await pull(daemon, pinned, request);
        auto found = co_await find_image(daemon, pinned.text());
        if (!found) co_return found.error();
        image = std::move(*found);
        if (!pulled) {
            const Error why = translate(pulled.error(), pinned);
            const bool known = why.kind == ErrorClass::unavailable || why.code == "image_not_found" ||
                               why.code == "docker_permission" || why.code == "docker_failed";
            if (!pinned.digest.empty() && why.code == "image_not_found" && reference.digest.empty())
                co_return mismatch(pinned.digest, "none");
            // One that was imported or built there is in no registry: it is what is meant, and that is told.
            if (!image || !known || !image->repository_digests.empty()) co_return why;
            if (request.progress)
                request.progress({"using the image " + reference.text() + " of the Docker daemon: no registry has it", 0, 0});
        }
        if (!image)
            co_return Error{ErrorClass::not_found,
                            "image_not_found",
                            "the image " + pinned.text() + " was pulled, and is not there",
                            "",
                            "",
                            {}};
    }
    if (!pinned.digest.empty() && !has_digest(*image, pinned.digest)) co_return mismatch(pinned.digest, image->id);
    auto fits = co_await check_platform(daemon, *image);
    if (!fits) co_return fits.error();
    BaseImage base;
    const std::string digest = pinned.digest.empty() ? digest_of_image(*image, reference) : pinned.digest;
    base.ingredients.push_back({"base_image", std::string(oci_prefix) + text, digest});
    base.image = std::move(*image);
    co_return base;
}

// A regular file that stays the same while it is read twice.
class Archive {
public:
    explicit Archive(int fd) : fd_(fd) {}
    Archive(const Archive&) = delete;
    Archive& operator=(const Archive&) = delete;
    ~Archive() { ::close(fd_); }

    Result<std::string> read(std::uint64_t at) const {
        std::string piece(piece_size, '\0');
        ssize_t n = -1;
        do {
            n = ::pread(fd_, piece.data(), piece.size(), static_cast<off_t>(at));
        } while (n < 0 && errno == EINTR);
        if (n < 0)
            return Error{ErrorClass::unavailable, "image_unreadable", "cannot read the archive", "", std::strerror(errno), {}};
        piece.resize(static_cast<std::size_t>(n));
        return piece;
    }
    Result<std::string> digest(const std::stop_token& stop) const {
        Sha256 sum;
        for (std::uint64_t at = 0;;) {
            if (stop.stop_requested())
                return Error{ErrorClass::cancelled, "cancelled", "the operation was cancelled", "", "", {}};
            auto piece = read(at);
            if (!piece) return piece.error();
            if (piece->empty()) return sum.finish();
            sum.update(*piece);
            at += piece->size();
        }
    }

private:
    int fd_;
};

Result<std::shared_ptr<const Archive>> open_archive(const std::string& path) {
    if (!path.starts_with('/') || path.find('\0') != std::string::npos)
        return Error{ErrorClass::invalid,
                     "image_path_relative",
                     "the path of the archive is not absolute",
                     "use an absolute path",
                     "",
                     {}};
    const int fd = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC); // it may be a pipe that nobody writes to
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return Error{ErrorClass::not_found, "path_not_found",     "there is no archive " + path,
                     "check the path",      std::strerror(errno), {}};
    if (fd < 0)
        return Error{
            ErrorClass::permission, "path_not_permitted", "cannot open the archive " + path, "", std::strerror(errno), {}};
    auto archive = std::make_shared<const Archive>(fd);
    struct stat status {};
    if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return Error{ErrorClass::invalid, "image_not_file", path + " is not a regular file", "", "", {}};
    return archive;
}

struct Reading {
    std::shared_ptr<const Archive> archive;
    std::uint64_t at = 0;
    Sha256 sum{};
    std::string expected; // 64 hexadecimal digits
};

// The archive, ended only when it is the one that was digested.
boost::asio::awaitable<Result<std::string>> next_piece(async::Pool& pool, std::shared_ptr<Reading> reading) {
    auto work = [reading](std::stop_token) { return reading->archive->read(reading->at); };
    auto piece = co_await async::blocking(pool, std::move(work));
    if (!piece) co_return piece;
    reading->at += piece->size();
    reading->sum.update(*piece);
    if (piece->empty() && reading->sum.finish() != reading->expected)
        co_return Error{ErrorClass::conflict, "image_changed", "the archive changed while it was read", "try again", "", {}};
    co_return piece;
}

Task<BaseImage> imported_image(DaemonPtr daemon, std::string path, const ImageRequest& request) {
    auto archive = open_archive(path);
    if (!archive) co_return archive.error();
    auto work = [file = *archive](std::stop_token stop) { return file->digest(stop); };
    auto digest = co_await async::blocking(*daemon->pool, std::move(work));
    if (!digest) co_return digest.error();
    if (request.digest && *request.digest != "sha256:" + *digest) co_return mismatch(*request.digest, "sha256:" + *digest);
    const std::string name = std::string(base_repository) + ":" + *digest;
    auto found = co_await find_image(daemon, name);
    if (!found) co_return found.error();
    if (!*found) {
        const auto reading = std::make_shared<Reading>();
        reading->archive = *archive;
        reading->expected = *digest;
        EngineRequest import;
        import.what = "cannot import the archive " + path;
        import.method = "POST";
        import.path = "/images/create";
        import.query = {{"fromSrc", "-"}, {"repo", base_repository}, { "tag", *digest }};
        for (const auto& [label, value] : own_labels("base"))
            import.query.emplace_back("changes", "LABEL " + label + "=" + value);
        import.limit = std::chrono::minutes(10);
        net::HttpBodySource source = [daemon, reading] { return next_piece(*daemon->pool, reading); };
        auto imported = co_await daemon->client.follow(std::move(import), std::move(source), listener_of(request));
        if (!imported) {
            Error error = imported.error();
            if (error.code == "docker_failed") {
                error.kind = ErrorClass::invalid;
                error.code = "image_archive_refused";
                error.remedy = "give a tar archive of a root file system";
            }
            co_return error;
        }
        found = co_await find_image(daemon, name);
        if (!found) co_return found.error();
        if (!*found) co_return protocol_error("the Docker daemon imported an archive, and the image is not there");
    }
    if (!is_ours((*found)->labels, "base"))
        co_return Error{ErrorClass::conflict, "docker_image_foreign", "the image " + name + " is not ours", "remove it", "", {}};
    BaseImage base;
    base.image = std::move(**found);
    base.ingredients.push_back({"base_image", std::string(archive_prefix) + path, "sha256:" + *digest});
    co_return base;
}

} // namespace

Task<std::optional<ImageStatus>> find_image(DaemonPtr daemon, std::string name) {
    EngineRequest request;
    request.what = "cannot look at the image " + name;
    request.path = "/images/" + net::percent_encode_path(name) + "/json";
    auto image = co_await daemon->client.get(std::move(request), read_image);
    if (!image && image.error().code == "docker_not_found") co_return std::optional<ImageStatus>{};
    if (!image) co_return image.error();
    co_return std::optional<ImageStatus>(std::move(*image));
}

Task<BaseImage> base_image(DaemonPtr daemon, const ImageRequest& request) {
    const std::string& name = request.image;
    if (request.digest && !is_sha256_digest(*request.digest))
        co_return Error{
            ErrorClass::invalid, "image_digest", "the digest is none of SHA-256", "write it as sha256:<64 digits>", "", {}};
    if (name.starts_with(oci_prefix)) {
        auto base = co_await pulled_image(daemon, name.substr(oci_prefix.size()), request);
        co_return base;
    }
    if (name.starts_with(archive_prefix)) {
        auto base = co_await imported_image(daemon, name.substr(archive_prefix.size()), request);
        co_return base;
    }
    if (is_sha256_digest(name)) {
        auto found = co_await find_image(daemon, name);
        if (!found) co_return found.error();
        if (!*found || !is_ours((*found)->labels, "image"))
            co_return Error{ErrorClass::not_found, "image_not_found", "there is no image " + name, "", "", {}};
        auto info = info_of(**found);
        if (!info) co_return info.error();
        BaseImage base;
        base.image = std::move(**found);
        base.ingredients = std::move(info->ingredients);
        co_return base;
    }
    co_return Error{ErrorClass::invalid,
                    "unknown_image",
                    "the docker provider has no image " + envd::bounded_text(name, 200),
                    "use oci:<reference>, archive:<absolute path>, or the id of an image",
                    "",
                    {}};
}

} // namespace sandboxkit::docker
