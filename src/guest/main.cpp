// SPDX-License-Identifier: Apache-2.0
#include "guest/program.hpp"

int main(int argc, char** argv) {
    return sandboxkit::guest::run(argc, argv);
}
