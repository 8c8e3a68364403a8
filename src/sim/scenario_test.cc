#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "sim/scenario_command.h"
#include "sim/scenario_json.h"
#include "sim/scenario_judge.h"
#include "sim/scenario_player.h"
#include "sim/scenario_reader.h"
#include "sim/scenario_report.h"

namespace aloft::sim {
namespace {

constexpr std::string_view kSmall = R"({
  "about": ["A host loses its power.", "Its guest runs elsewhere."],
  "covers": ["host power loss"],
  "hosts": [{"name": "h1"}, {"name": "h2"}, {"name": "h3"}],
  "guests": [{"name": "db1", "host": "h1", "replicas": ["h1", "h2"]}],
  "commands": [
    {"at": "20 s", "do": "power h1 off"}
  ],
  "end": "60 s",
  "expect": {"guests": {"db1": {"state": "running", "ran_on": ["h1", "h2"]}}}
})";

std::string with(std::string_view before, std::string_view after) {
  std::string text(kSmall);
  const std::size_t at = text.find(before);
  EXPECT_NE(at, std::string::npos) << before;
  return text.replace(at, before.size(), after);
}

void expect_refused(const std::string& text, std::string_view reason, std::string_view message) {
  const auto read = read_scenario(text, "x.json");
  ASSERT_FALSE(read) << message;
  EXPECT_EQ(read.error().reason, reason);
  EXPECT_NE(read.error().message.find(message), std::string::npos) << read.error().message;
}

TEST(Scenario, is_played_and_judged) {
  const auto scenario = read_scenario(kSmall, "x.json");
  ASSERT_TRUE(scenario) << scenario.error().message;
  const ScenarioAnswer answer = play(*scenario);
  EXPECT_TRUE(judge(*scenario, answer).empty());
  ASSERT_EQ(answer.losses.size(), 1U);
  EXPECT_EQ(answer.losses[0].cause, "power h1 off");
  EXPECT_EQ(answer.losses[0].restarted_on, "h2");
  EXPECT_LT(*answer.losses[0].restarted_at - answer.losses[0].cause_at, std::chrono::seconds(2));
  const std::string json = report_json(*scenario, answer, {});
  EXPECT_TRUE(read_json(json, "answer")) << json;
}

TEST(Scenario, differences_are_sentences_that_name_what_was_seen) {
  const auto scenario =
      read_scenario(with("\"ran_on\": [\"h1\", \"h2\"]", "\"host\": \"h3\""), "x");
  ASSERT_TRUE(scenario) << scenario.error().message;
  const auto differences = judge(*scenario, play(*scenario));
  ASSERT_EQ(differences.size(), 1U);
  EXPECT_TRUE(differences[0].starts_with("guest db1: is to be on h3 in the end, but is on h2"))
      << differences[0];
}

TEST(Scenario, the_same_file_gives_the_same_trace) {
  const auto scenario = read_scenario(kSmall, "x.json");
  ASSERT_TRUE(scenario);
  EXPECT_EQ(play(*scenario).hash, play(*scenario).hash);
}

TEST(ScenarioFile, names_the_line_and_column_of_what_is_wrong) {
  expect_refused(with("power h1 off", "power h9 off"), "scenario.unknown_name",
                 "x.json:7:33: there is no host 'h9'; there are h1, h2, h3");
  expect_refused(with("power h1 off", "explode h1"), "scenario.unknown_command",
                 "x.json:7:27: 'explode h1' is no command; commands begin with power");
  expect_refused(with("power h1 off", "power h1 sideways"), "scenario.unknown_command",
                 "there are: power HOST on, power HOST off");
  expect_refused(with("\"20 s\"", "\"61 s\""), "scenario.bad_time", "x.json:7:12: ");
  expect_refused(with("\"20 s\"", "\"-1 s\""), "scenario.bad_time", "x.json:7:12: ");
  expect_refused(with("\"20 s\"", "\"1e99 h\""), "scenario.bad_time", "x.json:7:12: ");
  expect_refused(with("\"20 s\"", "20"), "scenario.bad_time", "x.json:7:12: ");
  expect_refused(with("\"host\": \"h1\"", "\"host\": \"h9\""), "scenario.unknown_name",
                 "x.json:5:38: guest db1: there is no host 'h9'");
  expect_refused(with("\"covers\"", "\"cover\""), "scenario.syntax",
                 "x.json:3:3: the scenario has no 'cover'");
  expect_refused(with("[\"h1\", \"h2\"]}]", "[\"h1\", \"h1\"]}]"), "scenario.bad_value",
                 "x.json:5:63: guest db1: has two replicas on one host");
  expect_refused(with("\"60 s\",", "\"60 s\""), "json.syntax", "x.json:10:3: ");
  expect_refused(with("\"h3\"}", "\"h2\"}"), "scenario.bad_value", "another host of that name");
  expect_refused(with("{\"db1\"", "{\"db2\""), "scenario.unknown_name",
                 "x.json:10:25: there is no guest 'db2'");
  expect_refused(with("\"running\"", "\"flying\""), "scenario.unknown_name", "no state 'flying'");
  expect_refused(with("\"about\"", "\"end\": \"1 s\", \"about\""), "json.name_twice",
                 "'end' comes twice");
  expect_refused("", "json.syntax", "x.json:1:1: ");
  expect_refused("[]", "scenario.syntax", "is to be an object, not a list");
  expect_refused(std::string(100, '['), "json.too_deep", "nested");
}

TEST(ScenarioFile, refuses_what_is_too_large) {
  std::string many;
  for (int i = 0; i < 2000; ++i) many += "{\"name\": \"g" + std::to_string(i) + "\"},";
  many.pop_back();
  expect_refused(
      with("{\"name\": \"db1\", \"host\": \"h1\", \"replicas\": [\"h1\", \"h2\"]}", many),
      "scenario.too_large", "2000 guests, at most 1000 are simulated");
  expect_refused(with("\"do\": \"power h1 off\"",
                      "\"do\": \"power h1 off\", \"every\": \"1 ms\", \"times\": 10001"),
                 "scenario.bad_value", "times is to be a whole number from 1 to 10000");
}

TEST(ScenarioFile, commands_come_in_order_of_time) {
  expect_refused(with("{\"at\": \"20 s\"",
                      "{\"at\": \"30 s\", \"do\": \"power h2 off\"},\n    {\"at\": \"20 s\""),
                 "scenario.bad_time", "x.json:8:12: a command: it comes before the command above");
}

TEST(ScenarioCommand, every_form_is_read_again) {
  const NameMap hosts{{"h1", 0}, {"h2", 1}};
  const NameMap guests{{"g", 0}};
  for (std::string form : command_forms()) {
    for (const auto& [word, value] :
         {std::pair("HOST", "h1"), std::pair("OTHER", "h2"), std::pair("GUEST", "g"),
          std::pair("TIME", "5s"), std::pair("MIB", "512"), std::pair("GROUPS", "h1 h2")}) {
      const std::size_t at = form.find(word);
      if (at != std::string::npos) form.replace(at, std::string_view(word).size(), value);
    }
    const auto command = parse_command(form, hosts, guests);
    EXPECT_TRUE(command) << form << ": " << command.error().words;
  }
}

TEST(Json, knows_where_every_value_begins) {
  const auto read = read_json("{\n  \"a\": [1, -2.5e1 , \"x\\\"]y\"],\n  \"b\":\ttrue}", "t");
  ASSERT_TRUE(read) << read.error().message;
  const JsonValue& list = *read->find("a");
  EXPECT_EQ(list.place.line, 2U);
  EXPECT_EQ(list.place.column, 8U);
  EXPECT_EQ(list.items[0].place.column, 9U);
  EXPECT_EQ(list.items[1].place.column, 12U);
  EXPECT_EQ(list.items[1].number, -25);
  EXPECT_EQ(list.items[2].place.column, 21U);
  EXPECT_EQ(read->find("b")->place.line, 3U);
  EXPECT_EQ(read->find("b")->place.column, 8U);
}

}  // namespace
}  // namespace aloft::sim
