// SPDX-License-Identifier: Apache-2.0
#include "client.hpp"

#include <sandboxkit/profile_rules.hpp>
#include <sandboxkit/strict_json.hpp>

namespace capi = sandboxkit::capi;

sbk_status sbk_client_new(sbk_client** client, sbk_engine* engine, sbk_queue* queue, const char* id, size_t id_size) {
    return capi::guarded(__func__, client, [&] {
        auto*& place = capi::result_at(client);
        const auto name = capi::text(id, id_size);
        if (name.empty() || name.size() > 256 || sandboxkit::invalid_utf8_at(name) != std::string_view::npos ||
            sandboxkit::detail::has_control_character(name))
            throw capi::Misuse{};
        auto made = std::make_unique<sbk_client>();
        made->engine = capi::object(engine).handle;
        made->queue = capi::object(queue).queue;
        made->who.id = name;
        place = made.release();
        return SBK_OK;
    });
}

sbk_status sbk_client_add_role(sbk_client* client, const char* role, size_t role_size) {
    return capi::guarded(__func__, [&] {
        capi::object(client).who.roles.emplace_back(capi::text(role, role_size));
        return SBK_OK;
    });
}

sbk_status sbk_client_add_scope(sbk_client* client, const char* scope, size_t scope_size) {
    return capi::guarded(__func__, [&] {
        auto& who = capi::object(client).who;
        const auto name = capi::text(scope, scope_size);
        for (const auto& known : sandboxkit::with_every_scope("").scopes)
            if (known == name) {
                who.scopes.emplace_back(name);
                return SBK_OK;
            }
        return SBK_INVALID;
    });
}

sbk_status sbk_client_add_every_scope(sbk_client* client) {
    return capi::guarded(__func__, [&] {
        capi::object(client).who.scopes = sandboxkit::with_every_scope("").scopes;
        return SBK_OK;
    });
}

sbk_status sbk_client_set_channel(sbk_client* client, sbk_channel channel) {
    return capi::guarded(__func__, [&] {
        auto& who = capi::object(client).who;
        const int number = capi::number_of(channel);
        if (number < SBK_CHANNEL_API || number > SBK_CHANNEL_COMMAND_LINE) throw capi::Misuse{};
        who.channel = static_cast<sandboxkit::Channel>(channel);
        return SBK_OK;
    });
}

void sbk_client_free(sbk_client* client) {
    capi::release(__func__, client);
}
