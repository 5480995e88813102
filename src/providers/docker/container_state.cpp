// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/container_state.hpp"

#include <boost/json/array.hpp>

namespace sandboxkit::docker {

namespace {

std::string without_slash(std::string name) {
    if (name.starts_with('/')) name.erase(0, 1);
    return name;
}

std::string label(const Labels& labels, const char* name) {
    const auto found = labels.find(name);
    return found == labels.end() ? std::string() : found->second;
}

} // namespace

ContainerStatus read_inspected(const json::value& document) {
    const auto& object = document.as_object();
    ContainerStatus container;
    container.id = text_of(object, "Id");
    container.name = without_slash(text_of(object, "Name"));
    container.image = text_of(object, "Image");
    if (const auto* config = object_of(object, "Config")) container.labels = labels_of(*config, "Labels");
    const auto& state = object.at("State").as_object();
    container.status = text_of(state, "Status");
    container.exit_code = number_of(state, "ExitCode");
    container.out_of_memory = flag_of(state, "OOMKilled");
    container.failure = text_of(state, "Error");
    return container;
}

std::vector<ContainerStatus> read_listed(const json::value& document) {
    std::vector<ContainerStatus> list;
    for (const auto& each : document.as_array()) {
        const auto& object = each.as_object();
        ContainerStatus container;
        container.id = text_of(object, "Id");
        container.image = text_of(object, "ImageID");
        container.labels = labels_of(object, "Labels");
        container.status = text_of(object, "State");
        if (const auto* names = array_of(object, "Names"))
            for (const auto& name : *names) {
                const std::string text = without_slash(std::string(name.as_string()));
                if (is_sandbox_name(text)) container.name = text; // others are aliases of links
            }
        list.push_back(std::move(container));
    }
    return list;
}

bool needs_inspection(const ContainerStatus& listed) {
    return listed.status == "exited" || listed.status == "dead";
}

SandboxState state_of(const ContainerStatus& container) {
    if (container.status == "created") return SandboxState::created;
    if (container.status == "running" || container.status == "paused" || container.status == "restarting")
        return SandboxState::running;
    // The guest exits with 0 only when it is asked to, which nobody in the sandbox can do: SIGTERM, of stop() or of a daemon that
    // itself is stopped.
    if (container.status == "exited" && container.exit_code == 0 && !container.out_of_memory && container.failure.empty())
        return SandboxState::created;
    return SandboxState::ended;
}

SandboxInfo info_of(const ContainerStatus& container, const DaemonControls& controls) {
    SandboxInfo info;
    info.id = container.name;
    info.token = label(container.labels, token_label);
    info.state = state_of(container);
    info.labels = unpack_labels(container.labels);
    if (!controls.cpu) info.unenforced.emplace_back("cpus");
    if (!controls.memory) info.unenforced.emplace_back("memory");
    if (!controls.processes) info.unenforced.emplace_back("processes");
    if (container.labels.contains(disk_label)) info.unenforced.emplace_back("disk");
    return info;
}

Error death_of(const ContainerStatus& container) {
    std::string detail = "the container is " + envd::bounded_text(container.status, 64) + ", its exit code is " +
                         std::to_string(container.exit_code);
    if (!container.failure.empty()) detail += ": " + envd::bounded_text(container.failure, 2048);
    if (container.out_of_memory)
        return {ErrorClass::quota,
                "guest_out_of_memory",
                "the guest program was ended for lack of memory",
                "give the sandbox more memory",
                std::move(detail),
                {}};
    return {ErrorClass::unavailable,
            "guest_died",
            "the guest program ended before it answered",
            "see the detail, and sandboxkit doctor",
            std::move(detail),
            {}};
}

} // namespace sandboxkit::docker
