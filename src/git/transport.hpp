// SPDX-License-Identifier: Apache-2.0
// How libgit2 reaches a server on our terms: every byte goes past the watch.
#pragma once

#include "git/libgit2.hpp"
#include "git/url.hpp"
#include "git/watch.hpp"

#if __has_include(<git2/sys/errors.h>) // libgit2 1.8 moved git_error_set_str there
#include <git2/sys/errors.h>
#endif
#include <git2/sys/transport.h>

namespace sandboxkit::git {

// What the callbacks of one clone share; outlives the remotes that use them.
struct Access {
    const RemoteUrl& url;
    const CloneRequest& request;
    Watch& watch;
    bool led = false; // its URL is what a repository says, not what somebody wrote: it is not redirected to another host
    std::optional<Credential> credential{}; // what the server gets when it asks
    bool asked = false;                     // it asked, and there was none
    bool offered = false;                   // it got ours on this connection
};

[[nodiscard]] git_remote_callbacks callbacks_for(Access& access);

// A subtransport over the `ssh` program, as git itself does it. libgit2's own, over libssh2, waits for ever for a server that
// accepts and says nothing, cannot be cancelled, and lacks today's RSA signatures in the libssh2 that Debian 12 has.
// `access` is an Access*.
int make_ssh_subtransport(git_smart_subtransport** out, git_transport* owner, void* access);

} // namespace sandboxkit::git
