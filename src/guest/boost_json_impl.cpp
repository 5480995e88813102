// SPDX-License-Identifier: Apache-2.0
// Boost.JSON from source: a static program cannot use the shared library.
#include <boost/json/src.hpp>
