// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/docker_provider.hpp"

#include "providers/docker/containers.hpp"
#include "providers/docker/daemon.hpp"
#include "providers/docker/images.hpp"
#include "providers/docker/operation.hpp"
#include "providers/docker/ssh_stream.hpp"
#include "providers/docker/volumes.hpp"

#include <boost/asio/post.hpp>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

#include <pwd.h>
#include <unistd.h>

namespace sandboxkit::docker {

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

// What a caller is told on its own executor, from ours.
ImageRequest with_progress_on(ImageRequest request, asio::any_io_executor caller) {
    if (!request.progress) return request;
    const auto listener = std::make_shared<std::function<void(const ImageProgress&)>>(std::move(request.progress));
    request.progress = [listener, caller](const ImageProgress& progress) {
        asio::post(caller, [listener, progress] { (*listener)(progress); });
    };
    return request;
}

// Every operation runs on the daemon's executor, as a coroutine of its own that holds the daemon alive, not the provider.
class DockerProvider final : public Provider {
public:
    explicit DockerProvider(DaemonPtr daemon) : daemon_(std::move(daemon)) {}

    [[nodiscard]] std::string name() const override { return "docker"; }

    Task<Capabilities> capabilities() override { return run(ask(daemon_)); }

    Task<ImageInfo> prepare_image(ImageRequest request) override { return prepare(daemon_, std::move(request)); }
    Task<ImageInfo> inspect_image(std::string id) override { return run(docker::inspect_image(daemon_, std::move(id))); }
    Task<std::vector<ImageInfo>> list_images() override { return run(docker::list_images(daemon_)); }
    Task<void> remove_image(std::string id) override { return run(docker::remove_image(daemon_, std::move(id))); }

    Task<SandboxInfo> create(CreateRequest request) override { return run(create_sandbox(daemon_, std::move(request))); }
    Task<void> start(std::string id) override { return run(start_sandbox(daemon_, std::move(id))); }
    Task<void> stop(std::string id) override { return run(stop_sandbox(daemon_, std::move(id))); }
    Task<void> destroy(std::string id) override { return run(destroy_sandbox(daemon_, std::move(id))); }
    Task<SandboxInfo> inspect(std::string id) override { return run(inspect_sandbox(daemon_, std::move(id))); }
    Task<std::vector<SandboxInfo>> list(std::map<std::string, std::string> labels) override {
        return run(list_sandboxes(daemon_, std::move(labels)));
    }
    Task<Endpoint> endpoint(std::string id) override { return run(sandbox_endpoint(daemon_, std::move(id))); }
    Task<CaptureResult> capture(std::string id, std::map<std::string, std::string> labels) override {
        return run(capture_sandbox(daemon_, std::move(id), std::move(labels)));
    }

    Task<VolumeInfo> ensure_volume(std::string token, std::map<std::string, std::string> labels) override {
        return run(docker::ensure_volume(daemon_, std::move(token), std::move(labels)));
    }
    Task<void> remove_volume(std::string id) override { return run(docker::remove_volume(daemon_, std::move(id))); }
    Task<std::vector<VolumeInfo>> list_volumes(std::map<std::string, std::string> labels) override {
        return run(docker::list_volumes(daemon_, std::move(labels)));
    }

private:
    template <class T>
    Task<T> run(Task<T> task) {
        return run_on(daemon_->executor, std::move(task));
    }
    static Task<Capabilities> ask(DaemonPtr daemon) {
        auto info = co_await daemon_info(daemon, false);
        if (!info) co_return info.error();
        co_return capabilities_of(*info, daemon->endpoint);
    }
    static Task<ImageInfo> prepare(DaemonPtr daemon, ImageRequest request) {
        auto caller = co_await asio::this_coro::executor;
        auto image =
            co_await run_on(daemon->executor, docker::prepare_image(daemon, with_progress_on(std::move(request), caller)));
        co_return image;
    }

    DaemonPtr daemon_;
};

Result<std::string> read_pem(const fs::path& path) {
    if (path.empty()) return std::string();
    std::ifstream file(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!file.is_open() || file.bad() || text.empty())
        return Error{ErrorClass::invalid, "docker_tls_file", path.string() + " cannot be read", "check the file", "", {}};
    return text;
}

// The variables that the docker command looks at.
std::map<std::string, std::string> environment() {
    std::map<std::string, std::string> values;
    for (const char* name :
         {"DOCKER_HOST", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT", "DOCKER_CONFIG"})
        if (const char* value = std::getenv(name)) values[name] = value;
    return values;
}

fs::path home_directory() {
    if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') return home;
    return "/root";
}

Result<DaemonEndpoint> endpoint_of_options(const DockerOptions& options) {
    if (options.endpoint.empty()) return endpoint_of(environment(), home_directory());
    auto endpoint = parse_endpoint(options.endpoint, options.tls);
    if (!endpoint) return endpoint;
    if (options.tls && endpoint->kind != DaemonEndpoint::Kind::tcp)
        return Error{ErrorClass::invalid, "docker_endpoint", "TLS goes with tcp:// only", "leave it out", "", {}};
    endpoint->tls_ca = options.tls_ca;
    endpoint->tls_certificate = options.tls_certificate;
    endpoint->tls_key = options.tls_key;
    return endpoint;
}

Result<net::HttpTarget> target_of(const DaemonEndpoint& endpoint, const DockerOptions& options,
                                  const asio::any_io_executor& executor) {
    net::HttpTarget target;
    target.name = "the Docker daemon " + to_string(endpoint);
    target.code_prefix = "docker";
    switch (endpoint.kind) {
    case DaemonEndpoint::Kind::unix_socket: {
        // Its name may be a link: of a daemon's socket, nobody but root can make one.
        std::error_code error;
        const fs::path real = fs::canonical(endpoint.path, error);
        target.unix_socket = error ? endpoint.path : real;
        break;
    }
    case DaemonEndpoint::Kind::tcp:
        target.host = endpoint.host;
        target.port = endpoint.port;
        if (endpoint.tls) {
            net::TlsOptions tls;
            tls.ca_file = endpoint.tls_ca;
            auto certificate = read_pem(endpoint.tls_certificate);
            if (!certificate) return certificate.error();
            auto key = read_pem(endpoint.tls_key);
            if (!key) return key.error();
            tls.certificate = std::move(*certificate);
            tls.private_key = std::move(*key);
            target.tls = std::move(tls);
        }
        break;
    case DaemonEndpoint::Kind::ssh:
        target.connect_limit = std::chrono::seconds(40);
        target.dial = [executor, endpoint, ssh = SshOptions{options.ssh_identity, options.ssh_known_hosts}](
                          std::chrono::milliseconds limit) { return dial_ssh(executor, endpoint, ssh, limit); };
        break;
    }
    return target;
}

} // namespace

Result<std::shared_ptr<Provider>> make_docker_provider(DockerOptions options, asio::any_io_executor executor, async::Pool& pool) {
    auto endpoint = endpoint_of_options(options);
    if (!endpoint) return endpoint.error();
    std::error_code error;
    const fs::path guest = fs::canonical(options.guest, error);
    if (error || ::access(guest.c_str(), R_OK | X_OK) != 0)
        return Error{
            ErrorClass::not_found, "guest_not_found", "there is no guest program at " + options.guest.string(), "", "", {}};
    auto state = StateDirectory::open(options.state_directory);
    if (!state) return state.error();
    auto target = target_of(*endpoint, options, executor);
    if (!target) return target.error();
    const bool apart = endpoint->kind != DaemonEndpoint::Kind::unix_socket;
    EngineClient client(executor, std::move(*target));
    auto daemon =
        std::make_shared<Daemon>(Daemon{executor, &pool, std::move(*endpoint), guest, std::move(*state), std::move(client)});
    daemon->shares_nothing = apart;
    return std::shared_ptr<Provider>(std::make_shared<DockerProvider>(std::move(daemon)));
}

} // namespace sandboxkit::docker
