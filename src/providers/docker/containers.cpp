// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/containers.hpp"

#include "providers/docker/daemon_error.hpp"
#include "providers/docker/exec_stream.hpp"
#include "providers/docker/guest_volume.hpp"
#include "providers/docker/image_reference.hpp"
#include "providers/docker/images.hpp"
#include "providers/docker/network.hpp"
#include "providers/docker/operation.hpp"
#include "providers/docker/volumes.hpp"

#include "net/unix_path.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <cmath>

#include <unistd.h>

namespace sandboxkit::docker {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using std::chrono::milliseconds;

namespace {

constexpr std::chrono::seconds guest_limit{30};   // from the start of a container to its guest's first answer
constexpr std::chrono::seconds compute_limit{90}; // for the daemon to start or to end one
constexpr std::uint64_t least_memory_mib = 16;
constexpr std::uint32_t least_processes = 8;
constexpr std::size_t most_labels = 32, label_bytes = 256, token_bytes = 1024;
constexpr std::string_view socket_kind = "socket", exec_kind = "exec";

Error invalid(const char* code, std::string message, std::string remedy) {
    return {ErrorClass::invalid, code, std::move(message), std::move(remedy), "", {}};
}

Error cancelled() {
    return {ErrorClass::cancelled, "cancelled", "the operation was cancelled", "", "", {}};
}

Error no_sandbox(const std::string& id) {
    return {ErrorClass::not_found, "sandbox_not_found", "there is no sandbox " + envd::bounded_text(id, 100), "", "", {}};
}

Error no_image(const std::string& id, std::string detail = {}) {
    return {
        ErrorClass::not_found, "image_not_found", "there is no image " + envd::bounded_text(id, 100), "", std::move(detail), {}};
}

bool is_label_of_host(std::string_view name) {
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    };
    return !name.empty() && name.size() <= 63 && name.front() != '-' && name.back() != '-' && std::ranges::all_of(name, plain);
}

bool is_normal_path(const std::string& path) {
    return path.size() > 1 && path.front() == '/' && path.back() != '/' && path.find('\0') == std::string::npos &&
           fs::path(path).lexically_normal().native() == path;
}

Result<void> check(const CreateRequest& request) {
    if (request.token.empty() || request.token.size() > token_bytes)
        return invalid("token", "the token is empty or too long", "give 1 to 1024 bytes");
    if (!is_label_of_host(request.hostname))
        return invalid("hostname", "the host name is not a label of RFC 1123", "give 1 to 63 letters, digits and hyphens");
    if (request.labels.size() > most_labels) return invalid("labels", "too many labels", "give at most 32");
    for (const auto& [name, value] : request.labels)
        if (name.size() > label_bytes || value.size() > label_bytes)
            return invalid("labels", "a label is too long", "give at most 256 bytes");
    for (const auto& path : request.read_only_paths)
        if (!is_normal_path(path))
            return invalid("read_only_path", "a read-only path is not absolute and normalized", "give it as /a/b");
    for (const auto& volume : request.volumes) {
        if (!is_normal_path(volume.path))
            return invalid("volume_path", "the path of a volume is not absolute and normalized", "give it as /a/b");
        for (const auto& other : request.volumes)
            if (&other != &volume && (other.path + "/").starts_with(volume.path + "/"))
                return invalid("volume_path", "the path of a volume lies within another's", "give each a directory of its own");
    }
    if (!is_sha256_digest(request.image_id)) return no_image(request.image_id);
    if (!(request.limits.cpus > 0 && request.limits.cpus <= 1024))
        return invalid("limits", "the CPU limit is out of range", "give 0.01 to 1024");
    if (request.limits.memory_bytes < (least_memory_mib << 20))
        return invalid("limits", "the memory limit is too small", "give at least " + std::to_string(least_memory_mib) + " MiB");
    if (request.limits.processes < least_processes)
        return invalid("limits", "the process limit is too small", "give at least " + std::to_string(least_processes));
    return {};
}

bool is_label(const Labels& labels, const char* name, std::string_view value) {
    const auto found = labels.find(name);
    return found != labels.end() && found->second == value;
}

std::string container_path(const std::string& id, const char* what = "") {
    return "/containers/" + id + what;
}

Labels labels_of_sandbox(const CreateRequest& request) {
    Labels labels = own_labels("sandbox");
    labels[token_label] = request.token;
    labels[labels_label] = pack_labels(request.labels);
    for (const auto& [name, value] : request.labels) labels[std::string(label_prefix) + name] = value;
    if (request.limits.disk_bytes) labels[disk_label] = std::to_string(*request.limits.disk_bytes);
    return labels;
}

Task<void> pause_for(milliseconds time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return cancelled();
    co_return Result<void>{};
}

// The kernel tells nobody that a lock is free again: it is tried until it is.
Task<std::shared_ptr<HeldDirectory>> hold(DaemonPtr daemon, std::string name) {
    const auto end = std::chrono::steady_clock::now() + compute_limit;
    for (milliseconds pause(1);; pause = std::min(pause * 2, milliseconds(50))) {
        auto held = daemon->state.try_hold(name);
        if (!held) co_return held.error();
        if (*held) co_return std::make_shared<HeldDirectory>(std::move(**held));
        if (std::chrono::steady_clock::now() >= end)
            co_return Error{
                ErrorClass::unavailable, "sandbox_busy", "another operation on the sandbox takes its time", "try again", "", {}};
        auto paused = co_await pause_for(pause);
        if (!paused) co_return paused.error();
    }
}

std::string read_id(const json::value& document) {
    return text_of(document.as_object(), "Id");
}

// The files of this host that the daemon is told of are not there for it: it runs on another one, or sees other files.
bool shares_nothing(const Error& error) {
    return error.code == "docker_invalid" && error.detail.find("bind source path does not exist") != std::string::npos;
}

} // namespace

Task<ContainerStatus> inspect_container(DaemonPtr daemon, std::string id) {
    if (!is_sandbox_name(id)) co_return no_sandbox(id);
    EngineRequest request;
    request.what = "cannot look at the sandbox " + id;
    request.path = container_path(id, "/json");
    auto container = co_await daemon->client.get(std::move(request), read_inspected);
    if (!container) {
        if (container.error().code == "docker_not_found") co_return no_sandbox(id);
        co_return container.error();
    }
    if (!is_ours(container->labels, "sandbox")) co_return no_sandbox(id); // somebody else's
    container->name = id;
    co_return container;
}

namespace {

Task<std::string> request_container(DaemonPtr daemon, std::string name, json::object config) {
    EngineRequest create;
    create.what = "cannot make a sandbox";
    create.method = "POST";
    create.path = "/containers/create";
    create.query = {{"name", name}};
    create.body = std::move(config);
    auto id = co_await daemon->client.get(std::move(create), read_id);
    co_return id;
}

// The sandbox that has this token already.
Task<SandboxInfo> existing(DaemonPtr daemon, std::string name, std::string token) {
    auto container = co_await inspect_container(daemon, name);
    if (!container) co_return container.error();
    if (!is_label(container->labels, token_label, token))
        co_return Error{
            ErrorClass::conflict, "token_collision", "another sandbox has the id of this token", "use another token", "", {}};
    co_return info_of(*container, daemon->info->controls);
}

Error translate(Error error, const CreateRequest& request) {
    if (error.code == "docker_not_found") return no_image(request.image_id, std::move(error.detail));
    return error;
}

// What is asked for must be in the image, and be no link, which would be protected in the place of what it leads to.
Task<void> check_read_only_paths(DaemonPtr daemon, std::string name, std::vector<std::string> paths) {
    for (const auto& path : paths) {
        auto status = co_await path_status(daemon, name, path);
        if (!status) co_return status.error();
        if (!*status || (*status)->link)
            co_return Error{ErrorClass::unsupported,
                            "read_only_path_missing",
                            "the read-only path " + path + " is not in the image, or a symbolic link leads there",
                            "name a path that the image has",
                            "",
                            {}};
    }
    co_return Result<void>{};
}

Task<ContainerDescription> describe(DaemonPtr daemon, CreateRequest request) {
    ContainerDescription description;
    description.image = request.image_id;
    description.hostname = request.hostname;
    description.labels = labels_of_sandbox(request);
    description.limits = request.limits;
    description.controls = daemon->info->controls;
    description.read_only_paths = request.read_only_paths;
    for (const auto& each : request.volumes) {
        auto volume = co_await inspect_volume(daemon, each.volume_id); // the daemon would make a missing one
        if (!volume) co_return volume.error();
        description.volumes.push_back({volume->name, each.path, each.read_only});
    }
    description.network = "none";
    if (request.egress == Egress::open) {
        auto network = co_await outbound_network(daemon);
        if (!network) co_return network.error();
        description.network = network->id;
        description.refused = std::move(network->refused);
        description.name_servers = std::move(network->name_servers);
    }
    co_return description;
}

// A container, or the refusal of the daemon. Knows both ways to give it the guest.
Task<std::string> make_container(DaemonPtr daemon, std::string name, ContainerDescription description) {
    if (!daemon->shares_nothing) {
        // Held, so that nobody takes it for one that was left behind.
        auto held = co_await hold(daemon, name);
        if (!held) co_return held.error();
        if (daemon->info->root) {
            auto given = (*held)->give_to(*daemon->info->root);
            if (!given) co_return given.error();
        }
        ContainerDescription shared = description;
        shared.labels[endpoint_label] = socket_kind;
        shared.guest = daemon->guest.string();
        shared.socket_directory = daemon->state.sandbox(name).string();
        auto id = co_await request_container(daemon, name, container_config(shared));
        if (id || !shares_nothing(id.error())) co_return id;
        daemon->shares_nothing = true;
        auto removed = daemon->state.remove(name);
        if (!removed) co_return removed.error();
    }
    auto volume = co_await guest_volume(daemon, description.image);
    if (!volume) co_return volume.error();
    description.labels[endpoint_label] = exec_kind;
    description.guest_volume = *volume;
    auto id = co_await request_container(daemon, name, container_config(description));
    co_return id;
}

} // namespace

Task<SandboxInfo> create_sandbox(DaemonPtr daemon, CreateRequest request) {
    auto valid = check(request);
    if (!valid) co_return valid.error();
    auto info = co_await daemon_info(daemon, true);
    if (!info) co_return info.error();
    if (request.egress == Egress::open && !info->bridge)
        co_return Error{ErrorClass::unsupported,
                        "egress_open_unsupported",
                        "the Docker daemon cannot give a sandbox outbound access",
                        "use egress \"none\"",
                        "",
                        {}};
    auto description = co_await describe(daemon, request);
    if (!description) co_return description.error();
    const std::string name = sandbox_name(request.token);
    const auto end = std::chrono::steady_clock::now() + compute_limit;
    Result<std::string> id{std::string()};
    for (milliseconds pause(1);; pause = std::min(pause * 2, milliseconds(50))) {
        id = co_await make_container(daemon, name, *description);
        const bool taken = !id && id.error().code == "docker_conflict" && id.error().detail.find("in use") != std::string::npos;
        if (id || !(taken || reply_lost(id.error()))) break;
        // A reply that was lost, or whose connection broke before it was whole, says nothing: the name does.
        auto there = co_await existing(daemon, name, request.token);
        if (there || there.error().kind != ErrorClass::not_found) co_return there;
        // The daemon may still be at what was cancelled, or at a removal: the name is taken, and nobody can be looked at.
        if (std::chrono::steady_clock::now() >= end) break;
        auto paused = co_await pause_for(pause);
        if (!paused) co_return paused.error();
    }
    Result<void> done{};
    if (!id) done = translate(id.error(), request);
    if (done && !request.read_only_paths.empty()) done = co_await check_read_only_paths(daemon, name, request.read_only_paths);
    if (!done) {
        if (id) static_cast<void>(co_await run_undisturbed(daemon->executor, remove_container(daemon, name)));
        // The directory of a container that may be there all the same is removed with it, or by list().
        if (done.error().kind == ErrorClass::cancelled || reply_lost(done.error())) co_return done.error();
        if (daemon->state.exists(name)) static_cast<void>(daemon->state.remove(name));
        co_return done.error();
    }
    ContainerStatus made;
    made.id = *id;
    made.name = name;
    made.labels = description->labels;
    made.status = "created";
    co_return info_of(made, info->controls);
}

namespace {

Task<void> begin_compute(DaemonPtr daemon, std::string id) {
    EngineRequest start;
    start.what = "cannot start the sandbox " + id;
    start.method = "POST";
    start.path = container_path(id, "/start");
    start.idempotent = true;
    start.limit = compute_limit;
    auto started = co_await daemon->client.call(std::move(start));
    if (!started) co_return started.error();
    co_return Result<void>{};
}

// Whether the guest accepts connections.
Task<bool> answers(DaemonPtr daemon, std::string id, bool by_exec) {
    if (!by_exec) {
        const int fd = net::connect_unix_path(daemon->state.socket(id));
        if (fd >= 0) ::close(fd);
        co_return fd >= 0;
    }
    net::HttpTarget target;
    target.dial = [daemon, id](milliseconds limit) { return dial_guest(daemon, id, limit); };
    target.name = "the guest of the sandbox " + id;
    target.code_prefix = "guest";
    net::HttpClient guest(daemon->executor, std::move(target));
    net::HttpRequest health;
    health.target = "/health";
    net::HttpLimits limits;
    limits.total = std::chrono::seconds(5);
    auto response = co_await guest.unary(std::move(health), limits);
    if (!response && response.error().kind == ErrorClass::cancelled) co_return response.error();
    co_return response.has_value() && response->head.status < 300;
}

// The daemon does not know when the guest listens: it is asked until it does, and now and then whether it still lives.
Task<void> wait_for_guest(DaemonPtr daemon, std::string id, bool by_exec) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + guest_limit;
    auto look = Clock::now() + milliseconds(200);
    for (milliseconds pause(1);; pause = std::min(pause * 2, milliseconds(50))) {
        auto there = co_await answers(daemon, id, by_exec);
        if (!there) co_return there.error();
        if (*there) co_return Result<void>{};
        const auto now = Clock::now();
        if (now >= look || now >= end) {
            look = now + milliseconds(500);
            auto container = co_await inspect_container(daemon, id);
            if (!container) co_return container.error();
            if (state_of(*container) != SandboxState::running) co_return death_of(*container);
        }
        if (now >= end)
            co_return Error{ErrorClass::timeout,
                            "guest_not_ready",
                            "the guest program did not answer in time",
                            "see the detail, and sandboxkit doctor",
                            "",
                            {}};
        auto paused = co_await pause_for(pause);
        if (!paused) co_return paused.error();
    }
}

// SIGTERM ends the guest, and with it everything at once; SIGKILL, after a second, one that does not hear.
Task<void> end_compute(DaemonPtr daemon, std::string id) {
    EngineRequest stop;
    stop.what = "cannot stop the sandbox " + id;
    stop.method = "POST";
    stop.path = container_path(id, "/stop");
    stop.query = {{"t", "1"}};
    stop.idempotent = true;
    stop.limit = compute_limit;
    auto stopped = co_await daemon->client.call(std::move(stop));
    if (!stopped && !reply_lost(stopped.error())) co_return stopped.error();
    EngineRequest wait;
    wait.what = "cannot wait for the end of the sandbox " + id;
    wait.method = "POST";
    wait.path = container_path(id, "/wait");
    wait.query = {{"condition", "not-running"}};
    wait.idempotent = true;
    wait.limit = compute_limit;
    auto ended = co_await daemon->client.call(std::move(wait));
    if (!ended) co_return ended.error();
    co_return Result<void>{};
}

// What a daemon that starts a container says when what it needs from us is gone: it will be made anew.
void forget_what_is_gone(Daemon& daemon, const Error& error) {
    if (error.detail.find(guest_path_inside) != std::string::npos) daemon.guest_volume.clear();
    if (error.detail.find("network") != std::string::npos) daemon.network.clear();
}

Task<void> start_and_wait(DaemonPtr daemon, std::string id, bool by_exec) {
    auto started = co_await begin_compute(daemon, id);
    if (!started && !reply_lost(started.error())) {
        forget_what_is_gone(*daemon, started.error());
        co_return started.error();
    }
    if (!started) { // it may have been started
        auto container = co_await inspect_container(daemon, id);
        if (!container) co_return container.error();
        if (state_of(*container) != SandboxState::running)
            started = co_await begin_compute(daemon, id);
        else
            started = Result<void>{};
        if (!started) co_return started.error();
    }
    auto ready = co_await wait_for_guest(daemon, id, by_exec);
    co_return ready;
}

} // namespace

Task<void> start_sandbox(DaemonPtr daemon, std::string id) {
    if (!is_sandbox_name(id)) co_return no_sandbox(id);
    std::shared_ptr<HeldDirectory> held;
    if (daemon->state.exists(id)) { // one start at a time, of all processes
        auto holding = co_await hold(daemon, id);
        if (!holding) co_return holding.error();
        held = std::move(*holding);
    }
    auto container = co_await inspect_container(daemon, id);
    if (!container) co_return container.error();
    const bool by_exec = is_label(container->labels, endpoint_label, exec_kind);
    if (state_of(*container) == SandboxState::running) {
        auto ready = co_await wait_for_guest(daemon, id, by_exec);
        co_return ready;
    }
    auto captured = co_await was_captured(daemon, container->id);
    if (!captured) co_return captured.error();
    if (*captured) co_return captured_already(id);
    if (held) {
        auto removed = held->remove_socket();
        if (!removed) co_return removed;
    }
    auto started = co_await start_and_wait(daemon, id, by_exec);
    if (started) co_return started;
    // Nothing runs that nobody was told of. The first error is the one to tell.
    static_cast<void>(co_await run_undisturbed(daemon->executor, end_compute(daemon, id)));
    co_return started;
}

Task<void> stop_sandbox(DaemonPtr daemon, std::string id) {
    auto container = co_await inspect_container(daemon, id);
    if (!container) co_return container.error();
    if (state_of(*container) != SandboxState::running) co_return Result<void>{};
    auto ended = co_await end_compute(daemon, id);
    co_return ended;
}

Task<void> destroy_sandbox(DaemonPtr daemon, std::string id) {
    auto container = co_await inspect_container(daemon, id);
    if (container) {
        auto removed = co_await remove_container(daemon, id);
        if (!removed) co_return removed;
    } else if (container.error().kind != ErrorClass::not_found) {
        co_return container.error();
    }
    if (!is_sandbox_name(id) || !daemon->state.exists(id)) co_return Result<void>{};
    // On a worker thread: the sandbox may have filled it.
    auto work = [daemon, id](std::stop_token) { return daemon->state.remove(id); };
    auto cleared = co_await async::blocking(*daemon->pool, std::move(work));
    co_return cleared;
}

Task<SandboxInfo> inspect_sandbox(DaemonPtr daemon, std::string id) {
    auto info = co_await daemon_info(daemon, true);
    if (!info) co_return info.error();
    auto container = co_await inspect_container(daemon, std::move(id));
    if (!container) co_return container.error();
    co_return info_of(*container, info->controls);
}

namespace {

Task<std::vector<ContainerStatus>> list_containers(DaemonPtr daemon, Labels labels) {
    std::vector<std::string> filters{std::string(provider_label) + "=docker", std::string(kind_label) + "=sandbox"};
    for (const auto& [name, value] : labels) // a name with '=' cannot be told from its value there
        if (name.find('=') == std::string::npos) filters.push_back(std::string(label_prefix) + name + "=" + value);
    EngineRequest request;
    request.what = "cannot list the sandboxes";
    request.path = "/containers/json";
    request.query = {{"all", "1"}, {"filters", label_filter(filters)}};
    auto listed = co_await daemon->client.get(std::move(request), read_listed);
    if (!listed) co_return listed.error();
    // What the daemon was asked for is not taken for what it gave.
    std::erase_if(*listed, [&](const ContainerStatus& each) {
        return !is_ours(each.labels, "sandbox") || !is_sandbox_name(each.name) || !contains(unpack_labels(each.labels), labels);
    });
    co_return listed;
}

// Directories of sandboxes whose container never came to be.
Task<void> sweep_directories(DaemonPtr daemon) {
    const auto names = daemon->state.sandboxes(); // before the list: one that is made meanwhile is not in it
    if (names.empty()) co_return Result<void>{};
    auto all = co_await list_containers(daemon, {});
    if (!all) co_return all.error();
    for (const auto& name : names) {
        if (std::ranges::any_of(*all, [&](const ContainerStatus& each) { return each.name == name; })) continue;
        auto held = daemon->state.try_hold(name);
        if (!held) co_return held.error();
        if (!*held) continue;                                      // it is being made
        auto container = co_await inspect_container(daemon, name); // and may just have been
        if (container || container.error().kind != ErrorClass::not_found) continue;
        auto removed = daemon->state.remove(name);
        if (!removed) co_return removed;
    }
    co_return Result<void>{};
}

} // namespace

Task<std::vector<SandboxInfo>> list_sandboxes(DaemonPtr daemon, Labels labels) {
    auto info = co_await daemon_info(daemon, true);
    if (!info) co_return info.error();
    auto swept = co_await sweep_directories(daemon);
    if (swept) swept = co_await sweep_helpers(daemon);
    if (!swept) co_return swept.error();
    auto listed = co_await list_containers(daemon, labels);
    if (!listed) co_return listed.error();
    std::vector<SandboxInfo> result;
    for (auto& each : *listed) {
        if (needs_inspection(each)) {
            auto inspected = co_await inspect_container(daemon, each.name);
            if (!inspected && inspected.error().kind == ErrorClass::not_found) continue; // removed meanwhile
            if (!inspected) co_return inspected.error();
            each = std::move(*inspected);
        }
        result.push_back(info_of(each, info->controls));
    }
    co_return result;
}

Task<Endpoint> sandbox_endpoint(DaemonPtr daemon, std::string id) {
    auto container = co_await inspect_container(daemon, id);
    if (!container) co_return container.error();
    if (state_of(*container) != SandboxState::running)
        co_return Error{ErrorClass::conflict, "sandbox_not_running", "the sandbox " + id + " does not run", "start it", "", {}};
    Endpoint endpoint;
    if (is_label(container->labels, endpoint_label, exec_kind))
        endpoint.dial = [daemon, id](milliseconds limit) { return run_on(daemon->executor, dial_guest(daemon, id, limit)); };
    else
        endpoint.unix_socket = daemon->state.socket(id);
    co_return endpoint;
}

} // namespace sandboxkit::docker
