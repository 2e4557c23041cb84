# What follows drives RSpec: the files are loaded one by one, so that a broken one hides no other, and a wrapper around each example's block
# sees the raw exception first.

module KoanRspec
  # Raised in the place of a `SystemExit` or a signal, which would end the whole run.
  class Left < StandardError; end

  # What was seen of one example.
  Watched = Struct.new(:id, :begun, :raised, :underlying)

  # The examples that run, by their object, and what is told of them.
  class Tracker
    def initialize(session)
      @session = session
      @watched = {}.compare_by_identity
    end

    def plan(example, id)
      watched = @watched[example] = Watched.new(id, 0, [], nil)
      block = example.instance_variable_get(:@example_block)
      example.instance_variable_set(:@example_block, wrapper(watched, block)) if block
      @session.pipe.emit("plan", "id" => id)
    end

    def run(example)
      watched = @watched[example]
      return yield if watched.nil?

      @session.pipe.emit("begin", "id" => watched.id)
      @running = watched
      done = false
      begin
        result = yield
        done = true
        result
      ensure
        tell(example, watched) if done
        @session.pipe.emit("finish", "id" => watched.id) if done
      end
    end

    # What a block raised in which an expectation wanted nothing, or something else, to be raised.
    def underlying(error)
      @running.underlying = error if @running && error.is_a?(Exception)
    end

    private

    def wrapper(watched, block)
      proc do |*args|
        watched.begun += 1
        begin
          instance_exec(*args, &block)
        rescue Exception => error # rubocop:disable Lint/RescueException
          own = error.class.to_s == "RSpec::Expectations::ExpectationNotMetError" && error.message.to_s.include?("got #<")
          watched.raised << (own && watched.underlying || error)
          raise Left, "it left the example by `#{error.class}`", error.backtrace if error.is_a?(SystemExit) || error.is_a?(SignalException)

          raise
        end
      end
    end

    def tell(example, watched)
      result = example.execution_result
      failed = first(result.exception)
      raised = watched.raised.last
      # More than one try, and none of them is forgotten.
      (watched.raised[0...-1] || []).each { |error| @session.phase(watched.id, "call", "failed", error: error) }
      case result.status
      when :passed
        raised ||= RuntimeError.new("the example never ran") if watched.begun.zero?
        @session.phase(watched.id, "call", "passed", error: raised)
      when :pending
        pending(watched, result, raised)
      else
        @session.phase(watched.id, at(watched, failed), "failed", error: raised || failed, note: "it failed")
      end
    end

    def pending(watched, result, raised)
      if watched.begun.zero? || skip?(raised)
        @session.phase(watched.id, "call", "skipped", error: raised, note: result.pending_message.to_s)
      else
        @session.phase(watched.id, "call", "skipped", error: raised || result.pending_exception, note: result.pending_message.to_s, xfail: true)
      end
    end

    def skip?(error)
      error.is_a?(::RSpec::Core::Pending::SkipDeclaredInExample)
    end

    # Several exceptions of one example come as one; the first is its own.
    def first(error)
      error.respond_to?(:all_exceptions) ? error.all_exceptions.first || error : error
    end

    # Expectations of mocks are verified after the block, and aggregated failures are raised around it.
    def at(watched, failed)
      return "call" unless watched.raised.empty?
      return "setup" if watched.begun.zero?

      named = failed.class.ancestors.map(&:to_s)
      assertion = named.any? { |name| name.start_with?("RSpec::Expectations::", "RSpec::Mocks::", "RSpec::Core::Pending::") }
      assertion ? "call" : "teardown"
    end
  end

  # What the tree's files and settings make of RSpec, and the run of it.
  class Suite
    def initialize(session)
      @session = session
      @order = session.order
      @tracker = Tracker.new(session)
      eager_load
      framework = ObjectSpace.each_object(Module).select { |mod| (mod.name || "").match?(/\ARSpec(?:::|\z)/) }
      hook_examples
      session.foundation.add(framework)
    end

    def configure
      seed = @order.seed
      arguments = ["--no-color", "--no-fail-fast", "--no-profile", "--no-drb", "--format", "progress", "--order", seed ? "rand:#{seed}" : "defined"]
      options = ::RSpec::Core::ConfigurationOptions.new(arguments)
      @config = ::RSpec.configuration
      @config.output_stream = $stdout
      options.configure(@config)
      @world = ::RSpec.world
    end

    def files
      return @order.wanted_files unless @order.all

      @config.files_to_run.map { |file| File.expand_path(file) } | @order.own_files
    end

    def load_files
      files.each { |file| @session.load_tests(file) }
      @world.wants_to_quit = false
    end

    def plan
      taken = Hash.new(0)
      @world.all_example_groups.each do |group|
        kept = @world.filter_manager.prune(group.examples)
        # Ids count equal descriptions in the order of the source, whatever order they run in.
        wanted = group.examples.select do |example|
          id = id_of(example)
          n = (taken[id] += 1)
          id = "#{id} ##{n}" if n > 1
          next false unless @order.wanted?(id)
          next @session.pipe.emit("left_out", "id" => id, "detail" => "left out by a filter") && false unless kept.include?(example)

          @tracker.plan(example, id)
          true
        end
        @world.filtered_examples[group] = wanted
      end
    end

    def run
      groups = @world.ordered_example_groups
      others, last = groups.partition { |group| !@order.canary?(group.description.to_s) }
      @config.reporter.report(@world.example_count(groups)) do |reporter|
        @config.with_suite_hooks do
          (others + last).each { |group| group.run(reporter) }
        end
      end
    rescue Exception => error # rubocop:disable Lint/RescueException
      @session.held("the suite as a whole", error)
    end

    private

    # What is loaded on its first use would be loaded by the judged code.
    def eager_load
      [["rspec/expectations", "RSpec::Matchers::BuiltIn"], ["rspec/mocks", nil]].each do |feature, name|
        require feature
        next if name.nil?

        space = Object.const_get(name)
        space.constants.each { |constant| space.const_get(constant) }
      rescue LoadError
        next
      end
    end

    def hook_examples
      tracker = @tracker
      session = @session
      ::RSpec::Core::Example.prepend(Module.new do
        define_method(:run) { |*args| tracker.run(self) { super(*args) } }
        define_method(:fail_with_exception) { |*args| tracker.run(self) { super(*args) } }
        define_method(:skip_with_exception) { |*args| tracker.run(self) { super(*args) } }
      end)
      ::RSpec::Matchers::BuiltIn::RaiseError.prepend(Module.new do
        define_method(:matches?) do |*args, &block|
          super(*args, &block).tap { |holds| tracker.underlying(holds ? nil : @actual_error) }
        end
        define_method(:does_not_match?) do |*args, &block|
          super(*args, &block).tap { |holds| tracker.underlying(holds ? nil : @actual_error) }
        end
      end) if defined?(::RSpec::Matchers::BuiltIn::RaiseError)
      ::RSpec::Core::Reporter.prepend(Module.new do
        define_method(:notify_non_example_exception) do |error, context|
          file = context[/while loading (?:\.\/)?(\S+?)\.(?: |\z)/, 1]
          file ? session.not_collected(file, error) : session.held(context, error)
          super(error, context)
        end
      end)
    end

    # The file that runs the example, not the one of a shared group; no name that holds a line.
    def id_of(example)
      data = example.metadata
      file = @session.relative(File.expand_path(data[:rerun_file_path] || data[:file_path], @order.tree))
      words = [example.example_group.metadata[:full_description], data[:description_args].empty? ? "(unnamed)" : data[:description_args].join(" ")]
      @order.without_tree("#{file}::#{words.join(" ").strip}")
    end
  end

  def self.main
    session = KoanReport::Session.new
    session.use_bundle
    require "rspec/core"
    suite = Suite.new(session)
    Object.send(:remove_const, :KoanReport)
    Object.send(:remove_const, :KoanRspec)
    session.enter_tree(%w[lib spec])
    ::RSpec::Core::Runner.disable_autorun!
    suite.configure
    suite.load_files
    suite.plan
    suite.run
    session.finish
  end
end

KoanRspec.main
