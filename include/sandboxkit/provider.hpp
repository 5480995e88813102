// SPDX-License-Identifier: Apache-2.0
// The waist: compute, images and volumes, nothing else. Everything above it is written once; everything below it
// is a provider. A provider never parses a profile. What it cannot do is absent from its capabilities,
// and the engine refuses before anything is created.
//
// Threads: every function may be called from any thread, and several at once. The awaitables run on the
// executor of the coroutine that awaits them; a provider moves blocking work elsewhere itself.
// Cancellation: every operation honours asio's total cancellation and then returns ErrorClass::cancelled,
// with nothing left behind that `list` would not show.
// Errors: by value; an exception out of an operation is a defect and is reported as ErrorClass::internal.
#pragma once

#include <sandboxkit/clock.hpp>
#include <sandboxkit/credentials.hpp>
#include <sandboxkit/error.hpp>
#include <sandboxkit/profile.hpp>
#include <sandboxkit/resources.hpp>
#include <sandboxkit/snapshot.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sandboxkit {

template <class T>
using Task = boost::asio::awaitable<Result<T>>;

// What a provider can do on this host, now.
struct Capabilities {
    bool capture = false;            // capture(): a sandbox's file system becomes an image
    bool capture_attributes = false; // capture() keeps extended attributes of files
    bool capture_holes = false;      // capture() leaves sparse files sparse
    bool stop_and_resume = false;    // stop() keeps the writable layer, start() brings the compute back
    bool read_only_paths = false;    // CreateRequest::read_only_paths hold against root in the sandbox
    bool egress_none = false;
    bool egress_open = false;
    bool cpu_limit = false;
    bool memory_limit = false;
    bool process_limit = false;
    bool disk_limit = false;
    bool volumes = false;                 // ensure_volume() and its fellows, CreateRequest::volumes
    std::vector<std::string> image_kinds; // "host", "directory", "archive", "oci"
    // Of what stands behind the provider, a daemon say: another one means other images and sandboxes. Empty: there is but one.
    std::string identity;
    // Facts for people, e.g. {"runtime", "runc 1.1.5"}, {"cgroup", "v1"}; and why something is missing.
    std::map<std::string, std::string> facts;
};

// A directory on this machine that becomes part of an image at `target`. The provider takes the directory's
// contents away (it may rename them); after the call, failed or not, the caller only removes what is left.
struct ImageTree {
    std::filesystem::path source;
    std::string target; // absolute, normalized
};

// How far the making of an image is.
struct ImageProgress {
    std::string message;               // one line: "pulling 3f4a..."
    std::uint64_t done = 0, total = 0; // bytes; total 0: unknown
};

struct ImageRequest {
    std::string image; // as in Recipe::image, or the id of an image of this provider
    std::vector<ImageTree> trees;
    std::map<std::string, std::string> labels;
    std::optional<std::string> digest{}; // "sha256:<hex>" that the base has to have, else invalid "image_digest_mismatch"
    std::function<void(const ImageProgress&)> progress{}; // on the executor of whoever awaits; empty: nobody listens
    // Asked, on a worker thread, when the registry "host[:port]" wants a credential, and at most once. Empty: there is none.
    std::function<Result<std::optional<Credential>>(std::string registry)> credential{};
};

struct ImageInfo {
    std::string id; // of this provider; opaque
    std::map<std::string, std::string> labels;
    std::vector<Ingredient> ingredients; // base image and layers, with digests or fingerprint
    bool stale = false;                  // an ingredient without a fixed digest has changed since
};

// What outlives sandboxes and is seen by those that it is attached to.
struct VolumeInfo {
    std::string id; // of this provider; opaque
    std::map<std::string, std::string> labels;
};

struct VolumeMount {
    std::string volume_id;
    std::string path; // in the sandbox; absolute, normalized
    bool read_only = false;
};

struct CreateRequest {
    std::string token;                         // creation is idempotent by it: the same token returns the same sandbox
    std::string image_id;                      // of this provider
    std::map<std::string, std::string> labels; // list() filters by them; at most 32, 256 bytes each
    Limits limits;
    Egress egress = Egress::none;
    std::vector<std::string> read_only_paths; // absolute, normalized
    std::string hostname;                     // RFC 1123 label
    std::vector<VolumeMount> volumes;         // no path of them within another's; not captured
};

enum class SandboxState : std::uint8_t {
    created, // made, never started, or stopped with its writable layer kept
    running,
    ended, // the compute ended by itself; the writable layer is kept
};

struct SandboxInfo {
    std::string id; // of this provider; opaque
    std::string token;
    SandboxState state = SandboxState::created;
    std::map<std::string, std::string> labels;
    std::vector<std::string> unenforced; // limits asked for that this host does not enforce: "cpus", "memory", ...
};

// Where the in-sandbox API answers. Exactly one of `unix_socket`, `host` and `dial` is set.
struct Endpoint {
    std::filesystem::path unix_socket; // may be longer than sun_path allows; the client copes
    // Makes a new connection, in at most the time given: a stream socket, which belongs to who awaited it.
    std::function<Task<int>(std::chrono::milliseconds limit)> dial;
    std::string host; // name or address
    std::uint16_t port = 0;
    bool tls = false;                           // with `host`: its certificate is verified, always, and has to be for `host`
    std::string tls_ca;                         // PEM: the authorities trusted in place of the system's; empty: the system's
    std::map<std::string, std::string> headers; // added to every request
    std::string access_token;                   // a secret: sent as X-Access-Token, never logged; empty: none
    // Send the token in the clear, without TLS, to a host that is not this machine. Without this such a call is refused.
    bool token_in_the_clear = false;
};

struct CaptureResult {
    ImageInfo image;
    std::chrono::microseconds sealed{}; // ending the compute and setting the layer aside
    std::chrono::microseconds synced{}; // making it durable and digesting it
};

class Provider {
public:
    virtual ~Provider() = default;

    // As Recipe::provider names it.
    [[nodiscard]] virtual std::string name() const = 0;

    virtual Task<Capabilities> capabilities() = 0;

    // Makes an image from a base and trees; durable when it returns. The id is labelled and listed.
    virtual Task<ImageInfo> prepare_image(ImageRequest request) = 0;
    virtual Task<ImageInfo> inspect_image(std::string image_id) = 0;
    virtual Task<std::vector<ImageInfo>> list_images() = 0;
    // Removing an image that does not exist succeeds. One that sandboxes use is a conflict.
    virtual Task<void> remove_image(std::string image_id) = 0;

    // Makes a sandbox and its labels durable, starts nothing.
    virtual Task<SandboxInfo> create(CreateRequest request) = 0;
    // Starts the compute; returns when the in-sandbox API accepts connections. Starting a running one succeeds.
    virtual Task<void> start(std::string sandbox_id) = 0;
    // Ends the compute, keeps the writable layer. Stopping a stopped one succeeds.
    virtual Task<void> stop(std::string sandbox_id) = 0;
    // Removes the sandbox and all it held. Destroying one that does not exist succeeds.
    virtual Task<void> destroy(std::string sandbox_id) = 0;
    virtual Task<SandboxInfo> inspect(std::string sandbox_id) = 0;
    // Those whose labels contain all of `labels`, half-made ones included.
    virtual Task<std::vector<SandboxInfo>> list(std::map<std::string, std::string> labels) = 0;
    virtual Task<Endpoint> endpoint(std::string sandbox_id) = 0;
    // Ends the compute and turns base and writable layer into a durable image; the sandbox stays, emptied,
    // and is only good for destroy().
    virtual Task<CaptureResult> capture(std::string sandbox_id, std::map<std::string, std::string> labels) = 0;

    // Volumes, by capability; without it: unsupported "volumes_not_supported".
    // Idempotent by token, as create() is: the same token returns the same volume, with the labels it was made with.
    virtual Task<VolumeInfo> ensure_volume(std::string token, std::map<std::string, std::string> labels);
    // Removing one that does not exist succeeds. One that sandboxes use is a conflict.
    virtual Task<void> remove_volume(std::string volume_id);
    // Those whose labels contain all of `labels`.
    virtual Task<std::vector<VolumeInfo>> list_volumes(std::map<std::string, std::string> labels);
};

namespace detail {
inline Error no_volumes() {
    return {ErrorClass::unsupported, "volumes_not_supported", "this provider has no volumes", "", "", {}};
}
} // namespace detail

inline Task<VolumeInfo> Provider::ensure_volume(std::string, std::map<std::string, std::string>) {
    co_return detail::no_volumes();
}
inline Task<void> Provider::remove_volume(std::string) {
    co_return detail::no_volumes();
}
inline Task<std::vector<VolumeInfo>> Provider::list_volumes(std::map<std::string, std::string>) {
    co_return detail::no_volumes();
}

} // namespace sandboxkit
