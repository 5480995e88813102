// SPDX-License-Identifier: Apache-2.0
#include "git/transport.hpp"

#include "git/credential.hpp"

#include <memory>

namespace sandboxkit::git {

namespace {

int refuse() {
    git_error_set_str(GIT_ERROR_CALLBACK, "the clone was ended");
    return GIT_EUSER;
}

// libgit2's HTTP with the watch in front of it. Each struct begins with libgit2's part: its pointer is ours.
struct WatchedStream {
    git_smart_subtransport_stream base{};
    git_smart_subtransport_stream* inner = nullptr;
    Watch* watch = nullptr;
};
struct WatchedSubtransport {
    git_smart_subtransport base{};
    git_smart_subtransport* inner = nullptr;
    Watch* watch = nullptr;
};

int stream_read(git_smart_subtransport_stream* stream, char* buffer, std::size_t size, std::size_t* bytes_read) {
    auto* self = reinterpret_cast<WatchedStream*>(stream);
    if (!self->watch->go_on()) return refuse();
    const int status = self->inner->read(self->inner, buffer, size, bytes_read);
    if (status < 0) return status;
    return self->watch->received(*bytes_read) ? status : refuse();
}

int stream_write(git_smart_subtransport_stream* stream, const char* buffer, std::size_t size) {
    auto* self = reinterpret_cast<WatchedStream*>(stream);
    if (!self->watch->go_on()) return refuse();
    return self->inner->write(self->inner, buffer, size);
}

void stream_free(git_smart_subtransport_stream* stream) {
    auto* self = reinterpret_cast<WatchedStream*>(stream);
    self->inner->free(self->inner);
    delete self;
}

int transport_action(git_smart_subtransport_stream** out, git_smart_subtransport* transport, const char* url,
                     git_smart_service_t action) {
    auto* self = reinterpret_cast<WatchedSubtransport*>(transport);
    if (!self->watch->go_on()) return refuse();
    self->watch->listing_references(action == GIT_SERVICE_UPLOADPACK_LS);
    auto stream = std::make_unique<WatchedStream>();
    if (const int status = self->inner->action(&stream->inner, self->inner, url, action); status < 0) return status;
    stream->base = {transport, stream_read, stream_write, stream_free};
    stream->watch = self->watch;
    *out = &stream.release()->base;
    return 0;
}

int transport_close(git_smart_subtransport* transport) {
    auto* self = reinterpret_cast<WatchedSubtransport*>(transport);
    return self->inner->close(self->inner);
}

void transport_free(git_smart_subtransport* transport) {
    auto* self = reinterpret_cast<WatchedSubtransport*>(transport);
    self->inner->free(self->inner);
    delete self;
}

int make_watched_http(git_smart_subtransport** out, git_transport* owner, void* access) {
    auto transport = std::make_unique<WatchedSubtransport>();
    if (const int status = git_smart_subtransport_http(&transport->inner, owner, nullptr); status < 0) return status;
    transport->base = {transport_action, transport_close, transport_free};
    transport->watch = &static_cast<Access*>(access)->watch;
    *out = &transport.release()->base;
    return 0;
}

int make_transport(git_transport** out, git_remote* owner, void* payload) {
    auto* access = static_cast<Access*>(payload);
    git_smart_subtransport_definition definition{};
    definition.param = access;
    if (access->url.kind == RemoteUrl::Kind::ssh) {
        definition.callback = make_ssh_subtransport;
        definition.rpc = 0;
    } else {
        definition.callback = make_watched_http;
        definition.rpc = 1;
    }
    return git_transport_smart(out, owner, &definition);
}

// libgit2 calls it at a 401, and again when the answer to it is another one. The URL that it gives is not that of who asks, but
// the one it began with.
int give_credential(git_credential** out, const char*, const char*, unsigned allowed, void* payload) {
    auto& access = *static_cast<Access*>(payload);
    if ((allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT) == 0) return GIT_PASSTHROUGH;
    if (!access.credential) {
        access.asked = true;
        return GIT_PASSTHROUGH;
    }
    if (access.offered) {
        access.watch.end(credentials_refused());
        return refuse();
    }
    access.offered = true;
    return git_credential_userpass_plaintext_new(out, access.credential->username.c_str(), access.credential->secret.c_str());
}

} // namespace

git_remote_callbacks callbacks_for(Access& access) {
    git_remote_callbacks callbacks;
    git_remote_init_callbacks(&callbacks, GIT_REMOTE_CALLBACKS_VERSION);
    callbacks.payload = &access;
    callbacks.transport = make_transport;
    callbacks.credentials = give_credential;
    callbacks.transfer_progress = [](const git_indexer_progress* p, void* payload) {
        auto& watch = static_cast<Access*>(payload)->watch;
        return watch.objects(p->received_objects, p->total_objects) ? 0 : refuse();
    };
    callbacks.sideband_progress = [](const char*, int, void* payload) {
        return static_cast<Access*>(payload)->watch.go_on() ? 0 : refuse();
    };
    return callbacks;
}

} // namespace sandboxkit::git
