// SPDX-License-Identifier: Apache-2.0
// Hosts: where sandboxes run.
#include "client.hpp"

#include <sandboxkit/host_document.hpp>

#include <string>

namespace capi = sandboxkit::capi;
using capi::guarded;
using capi::submit;
using capi::text;
using capi::text_or_empty;
using sandboxkit::Engine;
using sandboxkit::Principal;

sbk_status sbk_host_add(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* definition,
                        size_t definition_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [definition = std::string(text(definition, definition_size))](
                          Engine& engine, const Principal& who) -> sandboxkit::Result<sandboxkit::HostInfo> {
                          auto host = sandboxkit::read_host_definition(definition);
                          if (!host) return host.error();
                          return engine.add_host(who, *host);
                      });
    });
}

sbk_status sbk_host_get(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* name, size_t name_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag, [name = std::string(text(name, name_size))](Engine& engine, const Principal& who) {
            return engine.host(who, name);
        });
    });
}

sbk_status sbk_host_list(sbk_operation** operation, sbk_client* client, uint64_t tag) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag, [](Engine& engine, const Principal& who) { return engine.hosts(who); });
    });
}

sbk_status sbk_host_test(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* name, size_t name_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag, [name = std::string(text(name, name_size))](Engine& engine, const Principal& who) {
            return engine.test_host(who, name);
        });
    });
}

sbk_status sbk_host_remove(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* name, size_t name_size,
                           int force) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [name = std::string(text(name, name_size)), force](Engine& engine, const Principal& who) {
                          return engine.remove_host(who, name, force != 0);
                      });
    });
}

sbk_status sbk_host_accept(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* name, size_t name_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag, [name = std::string(text(name, name_size))](Engine& engine, const Principal& who) {
            return engine.accept_host(who, name);
        });
    });
}

sbk_status sbk_host_set_default(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* name, size_t name_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag, [name = text_or_empty(name, name_size)](Engine& engine, const Principal& who) {
            return engine.set_default_host(who, name);
        });
    });
}
