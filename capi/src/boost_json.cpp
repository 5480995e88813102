// SPDX-License-Identifier: Apache-2.0
// Boost.JSON from source: the program that loads the library may have another one.
#include <boost/json/src.hpp>
