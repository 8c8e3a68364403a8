// aloft launch: a guest from an image, running.
#include "cli/launch.h"

#include "cli/object_commands.h"

namespace aloft::cli {
namespace {

Result<int> launch(Context& context, const Words& words) {
  ALOFT_ASSIGN(const auto guest, guest_from_words(words));
  return carry_out(context, words, {guest.metadata().name()}, [&](const std::string&) {
    return ask(context, words, "POST", "/v1/guests", {}, &guest);
  });
}

}  // namespace

void add_launch_commands(std::vector<Command>& table) {
  Command command = {
      .noun = "guest",
      .verb = "launch",
      .summary = "Make a guest from an image and start it",
      .arguments = {{"IMAGE", "Image it is cloned from", Count::One, "image"},
                    {"NAME", "Name of the new guest"}},
      .options = operation_options(guest_options()),
      .examples =
          {"aloft launch debian-12 web1 --memory 1GiB --disk 20GiB",
           "aloft launch busybox job1 --restart on-failure --priority 10",
           "aloft launch debian-12 db1 --cpus 4 --disk data:100GiB --cloud-init user.yaml",
           "aloft launch debian-12 web2 --health http:80/ready --net lan,mac=52:54:00:00:00:02"},
      .run = launch};
  Command short_cut = command;
  short_cut.noun.clear();
  table.push_back(std::move(command));
  table.push_back(std::move(short_cut));
}

}  // namespace aloft::cli
