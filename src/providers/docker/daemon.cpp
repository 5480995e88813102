// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/daemon.hpp"

#include "providers/docker/operation.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace sandboxkit::docker {

namespace {

constexpr const char* home_label = "sandboxkit.home";   // of helpers: the state directory
constexpr const char* owner_label = "sandboxkit.owner"; // and the process that works with it
constexpr std::chrono::seconds removal_limit{120};

// A daemon with a user namespace of its own keeps its data below <root>/<uid>.<gid>.
std::optional<unsigned> remapped_root(const std::string& directory) {
    const std::string name = std::filesystem::path(directory).filename();
    unsigned user = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), user);
    if (parsed.ec != std::errc{} || parsed.ptr == name.data() + name.size() || *parsed.ptr != '.') return {};
    return user;
}

struct Found {
    std::string id;
    Labels labels;
};

std::vector<Found> read_found(const json::value& document) {
    std::vector<Found> list;
    for (const auto& each : document.as_array())
        list.push_back({text_of(each.as_object(), "Id"), labels_of(each.as_object(), "Labels")});
    return list;
}

// Go's os.ModeDir and os.ModeSymlink.
constexpr std::int64_t mode_directory = 1LL << 31, mode_link = 1LL << 27;

std::string decode_base64(std::string_view text) {
    std::string result;
    unsigned bits = 0;
    int count = 0;
    for (const char c : text) {
        constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const auto digit = digits.find(c);
        if (digit == std::string_view::npos) break;
        bits = (bits << 6 | static_cast<unsigned>(digit)) & 0xFFFFFF;
        if ((count += 6) < 8) continue;
        count -= 8;
        result += static_cast<char>(bits >> count & 0xFF);
    }
    return result;
}

} // namespace

bool DaemonInfo::has_security(std::string_view name) const {
    return std::ranges::any_of(security, [&](const std::string& each) {
        return each == "name=" + std::string(name) || each.starts_with("name=" + std::string(name) + ",");
    });
}

DaemonInfo read_info(const json::value& document) {
    const auto& object = document.as_object();
    DaemonInfo info;
    info.id = text_of(object, "ID");
    info.version = text_of(object, "ServerVersion");
    info.storage_driver = text_of(object, "Driver");
    info.cgroup_version = text_of(object, "CgroupVersion");
    info.os = text_of(object, "OSType");
    info.architecture = text_of(object, "Architecture");
    info.root_directory = text_of(object, "DockerRootDir");
    info.security = texts_of(object, "SecurityOptions");
    info.controls = {flag_of(object, "CpuCfsQuota"), flag_of(object, "MemoryLimit"), flag_of(object, "SwapLimit"),
                     flag_of(object, "PidsLimit")};
    if (const auto* plugins = object_of(object, "Plugins")) {
        const auto networks = texts_of(*plugins, "Network");
        info.bridge = std::ranges::find(networks, "bridge") != networks.end();
    }
    info.bridge = info.bridge && flag_of(object, "IPv4Forwarding");
    if (info.has_security("userns")) info.root = remapped_root(info.root_directory);
    return info;
}

std::string image_architecture(std::string_view of_kernel) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 6> names = {{
        {"x86_64", "amd64"},
        {"aarch64", "arm64"},
        {"armv7l", "arm"},
        {"armv6l", "arm"},
        {"i686", "386"},
        {"i386", "386"},
    }};
    for (const auto& [kernel, image] : names)
        if (kernel == of_kernel) return std::string(image);
    return std::string(of_kernel);
}

Capabilities capabilities_of(const DaemonInfo& info, const DaemonEndpoint& endpoint) {
    Capabilities result;
    result.capture = result.stop_and_resume = result.read_only_paths = result.egress_none = result.volumes = true;
    result.egress_open = info.bridge;
    result.cpu_limit = info.controls.cpu;
    result.memory_limit = info.controls.memory;
    result.process_limit = info.controls.processes;
    result.image_kinds = {"archive", "oci"};
    result.identity = info.id;
    auto& facts = result.facts;
    facts["daemon"] = "Docker Engine " + info.version + " at " + to_string(endpoint);
    facts["storage"] = info.storage_driver;
    facts["cgroup"] = "v" + info.cgroup_version;
    if (info.has_security("rootless")) facts["user_namespace"] = "rootless";
    if (info.has_security("userns")) facts["user_namespace"] = "remapped";
    if (!info.bridge) facts["egress_open"] = "the daemon has no bridge networks, or its host does not forward";
    if (!info.controls.cpu) facts["cpu_limit"] = "the daemon's host has no CPU quotas";
    if (!info.controls.memory) facts["memory_limit"] = "the daemon's host has no memory limits";
    if (!info.controls.processes) facts["process_limit"] = "the daemon's host has no limits of processes";
    if (!info.has_security("seccomp")) facts["seccomp"] = "the daemon does not filter system calls";
    facts["disk_limit"] = "Docker does not limit the disk that a container takes";
    return result;
}

Task<DaemonInfo> daemon_info(DaemonPtr daemon, bool known) {
    if (known && daemon->info) co_return *daemon->info;
    EngineRequest request;
    request.what = "cannot ask the Docker daemon what it can do";
    request.path = "/info";
    auto info = co_await daemon->client.get(std::move(request), read_info);
    if (!info) co_return info.error();
    if (info->id.empty() || info->os != "linux")
        co_return Error{
            ErrorClass::unsupported, "docker_not_linux", "the Docker daemon does not run Linux containers", "", "", {}};
    if (daemon->info && daemon->info->id != info->id) { // another daemon is in its place: nothing of what was found holds
        daemon->guest_volume.clear();
        daemon->network.clear();
        daemon->shares_nothing = daemon->endpoint.kind != DaemonEndpoint::Kind::unix_socket;
    }
    daemon->info = *info;
    co_return info;
}

Task<void> remove_container(DaemonPtr daemon, std::string name) {
    EngineRequest remove;
    remove.what = "cannot remove the container " + name;
    remove.method = "DELETE";
    remove.path = "/containers/" + net::percent_encode_path(name);
    remove.query = {{"force", "1"}, {"v", "1"}};
    remove.idempotent = true;
    remove.limit = removal_limit;
    auto removed = co_await daemon->client.call(std::move(remove));
    if (removed || removed.error().code == "docker_not_found") co_return Result<void>{};
    if (removed.error().code != "docker_conflict") co_return removed.error();
    EngineRequest wait; // its removal is in progress
    wait.what = "cannot wait for the removal of the container " + name;
    wait.method = "POST";
    wait.path = "/containers/" + net::percent_encode_path(name) + "/wait";
    wait.query = {{"condition", "removed"}};
    wait.idempotent = true;
    wait.limit = removal_limit;
    auto gone = co_await daemon->client.call(std::move(wait));
    if (gone || gone.error().code == "docker_not_found") co_return Result<void>{};
    co_return gone.error();
}

namespace {

std::string read_id(const json::value& document) {
    return text_of(document.as_object(), "Id");
}

} // namespace

Task<std::string> create_helper(DaemonPtr daemon, std::string image, std::string volume, std::string volume_path) {
    Labels labels = own_labels("helper");
    labels[home_label] = daemon->state.id();
    labels[owner_label] = daemon->state.owner();
    const std::string name = "sandboxkit-helper-" + random_name();
    EngineRequest create;
    create.what = "cannot make a container to put files into";
    create.method = "POST";
    create.path = "/containers/create";
    create.query = {{"name", name}};
    create.body = helper_config(image, labels, volume, volume_path);
    auto id = co_await daemon->client.get(std::move(create), read_id);
    if (id && is_container_id(*id)) co_return id;
    // It may be there all the same: nobody else knows its name.
    static_cast<void>(co_await run_undisturbed(daemon->executor, remove_container(daemon, name)));
    if (id) co_return protocol_error("the Docker daemon made a container without an id", *id);
    co_return id;
}

Task<void> sweep_helpers(DaemonPtr daemon) {
    EngineRequest list;
    list.what = "cannot list the containers";
    list.path = "/containers/json";
    list.query = {{"all", "1"},
                  {"filters", label_filter({std::string(provider_label) + "=docker", std::string(kind_label) + "=helper",
                                            std::string(home_label) + "=" + daemon->state.id()})}};
    auto found = co_await daemon->client.get(std::move(list), read_found);
    if (!found) co_return found.error();
    for (const auto& each : *found) {
        const auto owner = each.labels.find(owner_label);
        const auto home = each.labels.find(home_label);
        if (!is_ours(each.labels, "helper") || home == each.labels.end() || home->second != daemon->state.id()) continue;
        if (owner != each.labels.end() && daemon->state.is_alive(owner->second)) continue;
        auto removed = co_await remove_container(daemon, each.id);
        if (!removed) co_return removed;
    }
    co_return Result<void>{};
}

Task<std::optional<PathStatus>> path_status(DaemonPtr daemon, std::string container, std::string path) {
    EngineRequest request;
    request.what = "cannot look at " + path + " in the container";
    request.method = "HEAD";
    request.path = "/containers/" + container + "/archive";
    request.query = {{"path", path}};
    auto stream = co_await daemon->client.stream(std::move(request));
    if (!stream) {
        if (stream.error().code == "docker_not_found") co_return std::optional<PathStatus>{};
        co_return stream.error();
    }
    const auto header = net::find_header(stream->head().headers, "X-Docker-Container-Path-Stat");
    const std::string text = header ? decode_base64(*header) : std::string();
    stream->close();
    auto status = read_json(text, [](const json::value& document) {
        const auto& object = document.as_object();
        const auto mode = number_of(object, "mode");
        return PathStatus{(mode & mode_directory) != 0, (mode & mode_link) != 0};
    });
    if (!status) co_return status.error();
    co_return std::optional<PathStatus>(*status);
}

} // namespace sandboxkit::docker
