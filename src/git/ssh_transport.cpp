// SPDX-License-Identifier: Apache-2.0
#include "git/ssh_process.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace sandboxkit::git {

namespace {

// Each struct begins with libgit2's part: its pointer is ours.
struct SshStream {
    git_smart_subtransport_stream base{};
    std::unique_ptr<SshProcess> process;
    Watch* watch = nullptr;
    SshStream** owner = nullptr; // the subtransport's pointer to this
    std::string deepening;       // the request for a shallow clone, once sent
};
struct SshSubtransport {
    git_smart_subtransport base{};
    Access* access = nullptr;
    SshStream* stream = nullptr;
};

int fail(const Error& error) {
    git_error_set_str(GIT_ERROR_SSH, error.message.c_str());
    return error.kind == ErrorClass::timeout ? GIT_TIMEOUT : error.kind == ErrorClass::cancelled ? GIT_EUSER : GIT_ERROR;
}

int stream_read(git_smart_subtransport_stream* stream, char* buffer, std::size_t size, std::size_t* bytes_read) {
    auto* self = reinterpret_cast<SshStream*>(stream);
    if (!self->watch->go_on()) return fail(*self->watch->why());
    auto n = self->process->read(buffer, size);
    if (!n) return fail(n.error());
    *bytes_read = *n;
    return self->watch->received(*n) ? 0 : fail(*self->watch->why());
}

int stream_write(git_smart_subtransport_stream* stream, const char* buffer, std::size_t size) {
    auto* self = reinterpret_cast<SshStream*>(stream);
    if (!self->watch->go_on()) return fail(*self->watch->why());
    // With the request for a pack the list of references is over.
    self->watch->listing_references(false);
    // After the server's answer to "deepen" libgit2 (1.7 to 1.9) sends its request over again, which is right over HTTP only,
    // where the server has forgotten it; here the server waits for what comes after it.
    std::string_view text(buffer, size);
    if (!self->deepening.empty() && text.starts_with(self->deepening))
        text.remove_prefix(self->deepening.size());
    else if (text.find("deepen ") != std::string_view::npos)
        self->deepening = text;
    auto written = self->process->write(text.data(), text.size());
    return written ? 0 : fail(written.error());
}

void stream_free(git_smart_subtransport_stream* stream) {
    auto* self = reinterpret_cast<SshStream*>(stream);
    *self->owner = nullptr;
    delete self;
}

int transport_action(git_smart_subtransport_stream** out, git_smart_subtransport* transport, const char*,
                     git_smart_service_t action) {
    auto* self = reinterpret_cast<SshSubtransport*>(transport);
    if (action == GIT_SERVICE_UPLOADPACK && self->stream) { // one process serves both: the protocol is stateful
        *out = &self->stream->base;
        return 0;
    }
    if (action != GIT_SERVICE_UPLOADPACK_LS) {
        git_error_set_str(GIT_ERROR_SSH, "only fetching is supported");
        return GIT_ERROR;
    }
    auto stream = std::make_unique<SshStream>();
    stream->process = std::make_unique<SshProcess>(*self->access);
    stream->watch = &self->access->watch;
    stream->owner = &self->stream;
    if (auto started = stream->process->start(); !started) {
        self->access->watch.end(started.error());
        return fail(started.error());
    }
    self->access->watch.listing_references(true);
    stream->base = {transport, stream_read, stream_write, stream_free};
    self->stream = stream.release();
    *out = &self->stream->base;
    return 0;
}

int transport_close(git_smart_subtransport*) {
    return 0;
} // freeing the stream ends the process

void transport_free(git_smart_subtransport* transport) {
    delete reinterpret_cast<SshSubtransport*>(transport);
}

} // namespace

int make_ssh_subtransport(git_smart_subtransport** out, git_transport*, void* access) {
    auto transport = std::make_unique<SshSubtransport>();
    transport->base = {transport_action, transport_close, transport_free};
    transport->access = static_cast<Access*>(access);
    *out = &transport.release()->base;
    return 0;
}

} // namespace sandboxkit::git
