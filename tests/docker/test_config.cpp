// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "providers/docker/container_config.hpp"
#include "providers/docker/container_state.hpp"
#include "providers/docker/image_status.hpp"
#include "providers/docker/seccomp_profile.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <set>
#include <string>

using namespace sandboxkit;
using namespace sandboxkit::docker;

namespace {

ContainerDescription description() {
    ContainerDescription d;
    d.image = "sha256:1";
    d.hostname = "box";
    d.labels = {{"a", "b"}};
    d.limits.cpus = 1.5;
    d.limits.memory_bytes = 1 << 30;
    d.limits.processes = 100;
    d.controls = {true, true, true, true};
    d.read_only_paths = {"/opt/tools"};
    d.guest = "/host/guest";
    d.socket_directory = "/host/run";
    d.network = "none";
    return d;
}

ContainerStatus status(const char* name, std::int64_t code = 0) {
    ContainerStatus container;
    container.status = name;
    container.exit_code = code;
    return container;
}

} // namespace

TEST_CASE("what the daemon is asked to make") {
    auto config = container_config(description());
    auto& profile = config.at("HostConfig").at("SecurityOpt").as_array().at(1).as_string();
    CHECK(profile == "seccomp=" + seccomp_profile());
    profile = "seccomp=";
    CHECK(
        json::serialize(config) ==
        R"({"Image":"sha256:1","Hostname":"box","User":"0:0","WorkingDir":"/","Entrypoint":["/dev/.sandboxkit/guest"],)"
        R"("Cmd":["--listen-unix","/dev/.sandboxkit/run/guest.sock","--inherit-environment"],"Labels":{"a":"b"},"Healthcheck":{"Test":["NONE"]},)"
        R"("Tty":false,"OpenStdin":false,"AttachStdin":false,"AttachStdout":false,"AttachStderr":false,)"
        R"("HostConfig":{"NetworkMode":"none","Mounts":[)"
        R"({"Type":"bind","Source":"/host/guest","Target":"/dev/.sandboxkit/guest","ReadOnly":true,"BindOptions":{"Propagation":"rprivate"}},)"
        R"({"Type":"bind","Source":"/host/run","Target":"/dev/.sandboxkit/run","ReadOnly":false,"BindOptions":{"Propagation":"rprivate"}}],)"
        R"("CapDrop":["ALL"],"CapAdd":["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FSETID","CAP_FOWNER","CAP_SETGID","CAP_SETUID",)"
        R"("CAP_SETPCAP","CAP_NET_BIND_SERVICE","CAP_SYS_CHROOT","CAP_KILL","CAP_AUDIT_WRITE"],"SecurityOpt":["no-new-privileges","seccomp="],)"
        R"("MaskedPaths":["/proc/asound","/proc/acpi","/proc/interrupts","/proc/kcore","/proc/keys","/proc/latency_stats",)"
        R"("/proc/timer_list","/proc/timer_stats","/proc/sched_debug","/proc/scsi","/sys/firmware","/sys/devices/virtual/powercap"],)"
        R"("ReadonlyPaths":["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger","/opt/tools"],)"
        R"("Ulimits":[{"Name":"core","Soft":0,"Hard":0}],"RestartPolicy":{"Name":"no"},"LogConfig":{"Type":"none"},)"
        R"("IpcMode":"private","CgroupnsMode":"private","Init":false,"AutoRemove":false,"ShmSize":67108864,)"
        R"("CpuPeriod":100000,"CpuQuota":150000,"Memory":1073741824,"MemorySwap":1073741824,"PidsLimit":100}})");
}

TEST_CASE("without shared files, with outbound access, and without controls") {
    auto d = description();
    d.controls = {};
    d.guest_volume = "guests";
    d.network = "net";
    d.refused = {"10.0.0.0/8"};
    d.name_servers = {"10.0.0.2"};
    d.volumes = {{"v", "/data", true}};
    const auto text = json::serialize(container_config(d));
    CHECK(text.find(R"("Type":"bind")") == std::string::npos);
    CHECK(
        text.find(
            R"("Cmd":["--listen-unix","/dev/.sandboxkit.sock","--inherit-environment","--refuse","10.0.0.0/8","--name-server","10.0.0.2"])") !=
        std::string::npos);
    CHECK(
        text.find(
            R"({"Type":"volume","Source":"guests","Target":"/dev/.sandboxkit","ReadOnly":true,"VolumeOptions":{"NoCopy":true}})") !=
        std::string::npos);
    CHECK(text.find(R"({"Type":"volume","Source":"v","Target":"/data","ReadOnly":true,)") != std::string::npos);
    CHECK(text.find("CAP_NET_ADMIN") != std::string::npos);
    for (const char* limit : {"Memory\"", "CpuQuota", "PidsLimit"}) CHECK(text.find(limit) == std::string::npos);
}

TEST_CASE("the system calls that a daemon is told of") {
    const auto profile = json::parse(seccomp_profile());
    CHECK(profile.at("defaultAction") == "SCMP_ACT_ERRNO");
    std::set<std::string> allowed;
    for (const auto& rule : profile.at("syscalls").as_array())
        if (rule.at("action") == "SCMP_ACT_ALLOW" && !rule.as_object().contains("args"))
            for (const auto& name : rule.at("names").as_array()) allowed.emplace(name.as_string());
    for (const char* name : {"read", "openat", "execve"}) CHECK_MESSAGE(allowed.contains(name), name);
    // Some of these with some arguments only.
    for (const char* name :
         {"mount", "unshare", "setns", "bpf", "keyctl", "io_uring_setup", "clone", "clone3", "socket", "personality"})
        CHECK_MESSAGE(!allowed.contains(name), name);
    CHECK(seccomp_profile().find(R"({"index":0,"value":38,"valueTwo":0,"op":"SCMP_CMP_LT"})") != std::string::npos);
}

TEST_CASE("states of containers") {
    CHECK(state_of(status("created")) == SandboxState::created);
    CHECK(state_of(status("running")) == SandboxState::running);
    CHECK(state_of(status("paused")) == SandboxState::running);
    CHECK(state_of(status("exited", 0)) == SandboxState::created); // by stop()
    CHECK(state_of(status("exited", 137)) == SandboxState::ended);
    CHECK(state_of(status("exited", 139)) == SandboxState::ended);
    CHECK(state_of(status("dead", 0)) == SandboxState::ended);
    auto starved = status("exited", 137);
    starved.out_of_memory = true;
    CHECK(state_of(starved) == SandboxState::ended);
    CHECK(death_of(starved).code == "guest_out_of_memory");
    auto failed = status("created", 127);
    failed.failure = "no such file";
    CHECK(death_of(failed).detail == "the container is created, its exit code is 127: no such file");
}

TEST_CASE("labels and ingredients come back as they were") {
    const Labels labels{{"a", ""}, {"b=c", "d\"e"}};
    const Labels kept{{labels_label, pack_labels(labels)}};
    CHECK(unpack_labels(kept) == labels);
    for (const char* bad : {"", "[]", "{", R"({"a":1})", "7"}) CHECK(unpack_labels({{labels_label, bad}}).empty());
    const std::vector<Ingredient> list{{"base_image", "oci:x", "sha256:1"}, {"layer", "capture", ""}};
    CHECK(*unpack_ingredients({{ingredients_label, pack_ingredients(list)}}) == list);
    for (const char* bad : {"", "{}", "[7]", R"([{"kind":7}])"}) CHECK(!unpack_ingredients({{ingredients_label, bad}}));
}

TEST_CASE("what the daemon can do") {
    const auto info = read_json(R"({"ID":"X","ServerVersion":"20.10","OSType":"linux","Architecture":"x86_64","MemoryLimit":true,
        "CpuCfsQuota":true,"PidsLimit":false,"IPv4Forwarding":true,"CgroupVersion":"2","Driver":"overlay2",
        "DockerRootDir":"/var/lib/docker/100000.100000","SecurityOptions":["name=seccomp,profile=default","name=userns"],
        "Plugins":{"Network":["bridge","host"]}})",
                                read_info);
    REQUIRE(info.has_value());
    CHECK(info->root == 100000U);
    const auto capabilities = capabilities_of(*info, *parse_endpoint("unix:///x", false));
    CHECK(capabilities.identity == "X");
    CHECK(capabilities.memory_limit);
    CHECK(!capabilities.process_limit);
    CHECK(!capabilities.disk_limit);
    CHECK(capabilities.egress_open);
    CHECK(capabilities.facts.at("user_namespace") == "remapped");
    CHECK(image_architecture("aarch64") == "arm64");
    CHECK(image_architecture("riscv64") == "riscv64");
}
