// Text, words and tables: what needs no server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "aloft/v1/guest.pb.h"
#include "cli/api_client.h"
#include "cli/explain_guest.h"
#include "cli/help.h"
#include "cli/launch.h"
#include "cli/parse.h"
#include "cli/profile.h"
#include "cli/progress.h"
#include "cli/sse.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/yaml.h"

namespace aloft::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Result<Parsed> parsed(std::vector<std::string> words) {
  return parse(words);
}
std::string reason_of(std::vector<std::string> words) {
  const auto result = parse(words);
  return result ? "" : result.error().reason;
}
std::string message_of(std::vector<std::string> words) {
  const auto result = parse(words);
  return result ? "" : result.error().message;
}

TEST(Text, durations_are_read_and_slips_are_refused) {
  EXPECT_EQ(parse_duration("90s"), Duration(std::chrono::seconds(90)));
  EXPECT_EQ(parse_duration("90"), Duration(std::chrono::seconds(90)));
  EXPECT_EQ(parse_duration("1h30m"), Duration(std::chrono::minutes(90)));
  EXPECT_EQ(parse_duration("250ms"), Duration(std::chrono::milliseconds(250)));
  for (const char* wrong : {"", "-1s", "5x", "30m1h", "1m1m", "1.5h", "99999d", "s", "1 s"}) {
    EXPECT_FALSE(parse_duration(wrong)) << wrong;
  }
}

TEST(Text, wide_and_combining_characters_keep_columns_straight) {
  EXPECT_EQ(display_width("web"), 3U);
  EXPECT_EQ(display_width("日本"), 4U);
  EXPECT_EQ(display_width("e\u0301"), 1U);
  EXPECT_EQ(shortened("日本語", 4), "日…");
  Table table({"A", ">N"});
  table.add({{"日本"}, {"1"}});
  table.add({{"b"}, {"20"}});
  EXPECT_EQ(table.text(false), "A      N\n日本   1\nb     20\n");
}

TEST(Text, what_comes_from_afar_cannot_steer_the_terminal) {
  EXPECT_EQ(printable("a\x1b[31mb\nc"), "a\uFFFD[31mb\uFFFDc");
  EXPECT_EQ(printable("\u202Eevil"), "\uFFFDevil");
  Table table({"A"});
  table.add({{"\x1b]0;owned\x07"}});
  EXPECT_THAT(table.text(false), Not(HasSubstr("\x1b")));
}

TEST(Text, the_nearest_word_is_found_and_far_ones_are_not) {
  const std::vector<std::string> known = {"guest", "image", "host", "start", "stop", "restart"};
  EXPECT_EQ(nearest("geust", known), "guest");
  EXPECT_EQ(nearest("statr", known), "start");
  EXPECT_EQ(nearest("imag", known), "image");
  EXPECT_EQ(nearest("xylophone", known), "");
  EXPECT_EQ(nearest("", known), "");
  EXPECT_EQ(nearest(std::string(1000, 'a'), known), "");
}

TEST(Parse, options_stand_before_and_behind_noun_and_verb) {
  const auto one = parsed({"-o", "json", "guest", "list", "--state", "failed"});
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(one->global.text("--output"), "json");
  EXPECT_EQ(one->words.text("--state"), "failed");
  const auto two = parsed({"guests", "list", "--state=failed", "--output=json"});
  ASSERT_TRUE(two) << two.error().message;
  EXPECT_EQ(two->command, one->command);
}

TEST(Parse, what_follows_two_dashes_belongs_to_the_guest) {
  const auto exec = parsed({"exec", "web1", "--", "ls", "-l", "--help"});
  ASSERT_TRUE(exec) << exec.error().message;
  EXPECT_EQ(exec->words.at("NAME"), "web1");
  EXPECT_THAT(exec->words.all("COMMAND"), ::testing::ElementsAre("ls", "-l", "--help"));
}

TEST(Parse, a_repeated_option_does_not_swallow_arguments) {
  const auto launch = parsed({"launch", "--label", "a=1", "img", "--label", "b=2", "web1"});
  ASSERT_TRUE(launch) << launch.error().message;
  EXPECT_EQ(launch->words.at("IMAGE"), "img");
  EXPECT_EQ(launch->words.at("NAME"), "web1");
  EXPECT_THAT(launch->words.all("--label"), ::testing::ElementsAre("a=1", "b=2"));
}

TEST(Parse, mistakes_are_named_with_what_was_probably_meant) {
  EXPECT_THAT(message_of({"geust", "list"}), HasSubstr("did you mean \"aloft guest\""));
  EXPECT_THAT(message_of({"guest", "strat", "a"}), HasSubstr("did you mean \"aloft guest start\""));
  EXPECT_THAT(message_of({"guest", "rm", "a"}), HasSubstr("aloft guest delete"));
  EXPECT_THAT(message_of({"stop", "a"}), HasSubstr("aloft guest stop"));
  EXPECT_THAT(message_of({"launch", "a", "b", "--memroy", "1GiB"}), HasSubstr("--memory"));
  EXPECT_EQ(reason_of({"guest", "list", "--wrong"}), "cli.unknown_option");
  EXPECT_EQ(reason_of({"guest", "show"}), "cli.usage");
  EXPECT_EQ(reason_of({"guest", "list", "surplus"}), "cli.usage");
  EXPECT_EQ(reason_of({"guest", "list", "--state", "odd"}), "cli.usage");
  EXPECT_EQ(reason_of({"guest", "list", "--state"}), "cli.usage");
  EXPECT_EQ(reason_of({"guest", "list", "-o", "xml"}), "cli.usage");
  EXPECT_EQ(reason_of({"guest"}), "cli.usage");
  EXPECT_EQ(reason_of({"guest", "list", "--state", "failed", "--state", "new"}), "cli.usage");
}

TEST(Parse, words_that_are_not_utf8_or_too_long_are_refused) {
  EXPECT_EQ(reason_of({"guest", "show", "\xff\xfe"}), "cli.not_utf8");
  EXPECT_EQ(reason_of({"guest", "show", std::string(100'000, 'a')}), "cli.too_long");
  EXPECT_EQ(reason_of(std::vector<std::string>(5000, "a")), "cli.too_long");
}

TEST(Commands, every_one_has_a_summary_and_examples_that_parse) {
  for (const Command& command : commands()) {
    EXPECT_FALSE(command.summary.empty()) << command.title();
    EXPECT_FALSE(command.summary.ends_with('.')) << command.title();
    EXPECT_FALSE(command.examples.empty()) << command.title();
    EXPECT_TRUE(command.run) << command.title();
    EXPECT_THAT(command_help(command), HasSubstr("Examples:"));
    for (const std::string& example : command.examples) {
      if (!example.starts_with("aloft ") || example.find_first_of("<>$(") != std::string::npos) {
        continue;
      }
      std::vector<std::string> words;
      std::string_view rest = std::string_view(example).substr(6);
      while (!rest.empty()) {
        const std::size_t space = rest.find(' ');
        words.emplace_back(rest.substr(0, space));
        rest = space == std::string_view::npos ? "" : rest.substr(space + 1);
      }
      const auto result = parse(words);
      ASSERT_TRUE(result) << example << ": " << result.error().message;
      EXPECT_EQ(result->command->verb, command.verb) << example;
    }
  }
}

TEST(Commands, no_option_takes_a_secret) {
  for (const Command& command : commands()) {
    for (const Option& option : command.options) {
      EXPECT_THAT(option.name, Not(HasSubstr("password"))) << command.title();
      EXPECT_NE(option.name, "--token") << command.title();
    }
  }
}

TEST(Completion, knows_the_shells_and_only_these) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const auto script = completion_script(shell);
    ASSERT_TRUE(script);
    EXPECT_THAT(*script, HasSubstr("resize"));
  }
  EXPECT_FALSE(completion_script("tcsh"));
}

TEST(Launch, words_become_a_spec) {
  const auto words = parsed({"launch",
                             "img",
                             "web1",
                             "--memory",
                             "2GiB",
                             "--disk",
                             "20GiB",
                             "--disk",
                             "data:1GiB",
                             "--disk",
                             "old=vol1",
                             "--net",
                             "lan,address=10.0.0.2/24",
                             "--health",
                             "http:80/ready",
                             "--restart",
                             "on-failure",
                             "--label",
                             "a=b=c",
                             "--stop-timeout",
                             "5s"});
  ASSERT_TRUE(words) << words.error().message;
  const auto guest = guest_from_words(words->words);
  ASSERT_TRUE(guest) << guest.error().message;
  const auto& spec = guest->spec();
  EXPECT_EQ(spec.memory_bytes(), 2ULL << 30U);
  ASSERT_EQ(spec.disks_size(), 3);
  EXPECT_EQ(spec.disks(0).name(), "root");
  EXPECT_EQ(spec.disks(2).volume(), "vol1");
  EXPECT_EQ(spec.nics(0).address(), "10.0.0.2/24");
  EXPECT_EQ(spec.health_checks(0).http().path(), "/ready");
  EXPECT_EQ(spec.restart().policy(), v1::Restart::POLICY_ON_FAILURE);
  EXPECT_EQ(guest->metadata().labels().at("a"), "b=c");
  EXPECT_EQ(spec.stop_timeout_ms(), 5000U);
}

TEST(Launch, values_that_cannot_be_are_refused_by_name) {
  const std::vector<std::vector<std::string>> wrong = {{"--memory", "0"},
                                                       {"--memory", "-1"},
                                                       {"--memory", "1E30"},
                                                       {"--memory", "lots"},
                                                       {"--cpus", "0"},
                                                       {"--cpus", "4294967297"},
                                                       {"--cpus", "1.5"},
                                                       {"--disk", "data:"},
                                                       {"--disk", "Data:1GiB"},
                                                       {"--net", "lan,speed=1"},
                                                       {"--health", "tcp:99999"},
                                                       {"--health", "http:80x"},
                                                       {"--label", "novalue"},
                                                       {"--cloud-init", "/none"},
                                                       {"--priority", "1001"},
                                                       {"--net", ""},
                                                       {"--stop-timeout", "2000d"}};
  for (const auto& option : wrong) {
    std::vector<std::string> words = {"launch", "img", "web1"};
    words.insert(words.end(), option.begin(), option.end());
    const auto given = parse(words);
    ASSERT_TRUE(given) << given.error().message;
    const auto guest = guest_from_words(given->words);
    ASSERT_FALSE(guest) << option[0] << " " << option[1];
    EXPECT_FALSE(guest.error().message.empty());
  }
  const auto name = parse(std::vector<std::string>{"launch", "img", "Ünïcode"});
  EXPECT_EQ(guest_from_words(name->words).error().reason, "name.invalid");
}

TEST(Profile, hosts_are_read_and_careless_ones_refused) {
  const auto host = parse_host("https://farm.example:9443");
  ASSERT_TRUE(host);
  EXPECT_EQ(host->host, "farm.example");
  EXPECT_EQ(host->port, 9443);
  EXPECT_EQ(parse_host("https://[fd00::1]/")->host, "fd00::1");
  for (const char* wrong : {"http://a", "a:1", "https://", "https://u:p@a", "https://a:0",
                            "https://a:99999", "https://a/path", "https://[::1", "https://a b"}) {
    EXPECT_FALSE(parse_host(wrong)) << wrong;
  }
}

TEST(Profile, an_option_goes_before_a_variable) {
  Words global;
  const Environment environment = [](std::string_view name) -> std::optional<std::string> {
    if (name == "ALOFT_SOCKET") return "/run/other.sock";
    return std::nullopt;
  };
  EXPECT_EQ(find_login(global, environment)->endpoint.socket, "/run/other.sock");
  global.values["--socket"] = {"/run/mine.sock"};
  EXPECT_EQ(find_login(global, environment)->endpoint.socket, "/run/mine.sock");
  global.values["--host"] = {"https://a"};
  EXPECT_FALSE(find_login(global, environment));
  EXPECT_EQ(find_login({}, [](std::string_view) { return std::optional<std::string>(); })
                ->endpoint.socket,
            "/run/aloft/api.sock");
}

TEST(Sse, events_come_whole_however_the_bytes_are_cut) {
  const std::string stream =
      ": hello\n\nid: 1\nevent: change\ndata: {\"a\":\ndata: 1}\n\nid: 2\r\ndata: x\r\n\r\n\n";
  for (std::size_t piece = 1; piece < stream.size(); ++piece) {
    SseReader reader;
    std::vector<ServerEvent> events;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      const auto fed = reader.feed(std::string_view(stream).substr(at, piece),
                                   [&](const ServerEvent& event) -> Result<bool> {
                                     events.push_back(event);
                                     return true;
                                   });
      ASSERT_TRUE(fed && *fed);
    }
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0].name, "change");
    EXPECT_EQ(events[0].data, "{\"a\":\n1}");
    EXPECT_EQ(events[1].id, "2");
    EXPECT_EQ(events[1].name, "");
  }
}

TEST(Sse, an_event_without_end_is_refused) {
  SseReader reader;
  const std::string line = "data: " + std::string(1U << 20U, 'x') + "\n";
  Result<bool> fed = true;
  for (int i = 0; i < 20 && fed; ++i) {
    fed = reader.feed(line, [](const ServerEvent&) -> Result<bool> { return true; });
  }
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().reason, "cli.event_too_large");
}

TEST(Yaml, json_survives_the_way_there_and_back) {
  const std::string json =
      R"({"name":"web1","on":"true","number":"12","text":"a\nb\n","list":["x",{"k":"v","n":[]}],)"
      R"("empty":{},"flag":true,"odd":": # \"\u0007","日本":"ja"})";
  const std::string yaml = yaml_from_json(json);
  EXPECT_THAT(yaml, HasSubstr("text: |\n  a\n  b\n"));
  const auto back = json_from_yaml("test", yaml);
  ASSERT_TRUE(back) << back.error().message << "\n" << yaml;
  EXPECT_EQ(pretty_json(*back), pretty_json(json)) << yaml;
}

TEST(Yaml, what_cannot_be_read_names_its_line) {
  EXPECT_THAT(json_from_yaml("edited guest", "a: [1\nb: 2").error().message, HasSubstr("line"));
  EXPECT_FALSE(json_from_yaml("x", "a: 1\na: 2\n"));
  EXPECT_FALSE(json_from_yaml("x", "a: !!binary aGk=\n"));
  EXPECT_FALSE(json_from_yaml("x", "\xff"));
  EXPECT_FALSE(json_from_yaml("x", std::string(2000, '[')));
}

TEST(Target, names_and_parameters_are_encoded) {
  EXPECT_EQ(target("/v1/guests/web1:start", {{"dryRun", "true"}, {"force", ""}}),
            "/v1/guests/web1:start?dryRun=true");
  EXPECT_EQ(target("/v1/events", {{"subject", "guest/a b&c"}}),
            "/v1/events?subject=guest%2Fa%20b%26c");
}

TEST(Progress, a_bar_fits_the_terminal) {
  const Doing doing{"guest web1", "create", "copying 1.2 GiB of 4 GiB", 450};
  EXPECT_EQ(progress_line(doing, 200),
            "guest web1  create  [#########           ]  45 %  copying 1.2 GiB of 4 GiB");
  EXPECT_LE(display_width(progress_line(doing, 30)), 30U);
}

TEST(Explain, a_guest_that_gave_up_is_told_with_cause_and_next_step) {
  v1::Guest guest;
  guest.mutable_metadata()->set_name("web1");
  guest.mutable_metadata()->set_generation(1);
  guest.mutable_status()->set_state(v1::GuestStatus::STATE_FAILED);
  guest.mutable_status()->set_host("h1");
  guest.mutable_status()->set_reason("guest.crash_loop");
  guest.mutable_status()->set_message("it ended 5 times within 10 minutes");
  guest.mutable_status()->set_restarts(5);
  guest.mutable_status()->set_last_exit("killed by signal 9");
  guest.mutable_status()->set_observed_generation(1);
  std::string text;
  for (const auto& sentence : guest_sentences(guest, WallTime{})) text += sentence + "\n";
  EXPECT_EQ(text,
            "guest web1 is failed on h1.\n"
            "The reason: it ended 5 times within 10 minutes (guest.crash_loop).\n"
            "It is meant to run. It is restarted whenever it ends (restart policy always).\n"
            "It has been restarted 5 times since its spec changed; it ended last: killed by signal "
            "9.\n"
            "Next: aloft logs web1 shows its last output; when the cause is mended, aloft guest "
            "start web1 tries again.\n");
}

}  // namespace
}  // namespace aloft::cli
