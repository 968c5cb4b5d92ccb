import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';

import OpenAI, { toFile } from 'openai';

import {
  apiKey, assertNoTrace, collect, gateway, helloText, rescuedText, suite, weatherArguments, weatherSchema,
} from './gateway.mjs';

// The names under which the tests ask, and what they get.
const answers = {
  hello: helloText,
  hi: helloText,
  'red/mock-small': helloText,
  rescued: rescuedText,
  'rescued-reset': rescuedText,
  'rescued-error': rescuedText,
};
const failures = [
  ['nothing', OpenAI.NotFoundError, 404, 'model_not_found'],
  ['nobody/mock-small', OpenAI.NotFoundError, 404, 'model_not_found'],
  ['refused', OpenAI.BadRequestError, 400, null],
  ['limited', OpenAI.RateLimitError, 429, 'all_targets_failed'],
];
const broken = ['broken', 'cut', 'ended'];

describe('openai', suite, () => {
  const plexus = gateway();
  let client, stranger;
  before(() => {
    const options = { baseURL: `${plexus.url}/v1`, apiKey, maxRetries: 0 };
    client = new OpenAI(options);
    stranger = new OpenAI({ ...options, apiKey: 'wrong' });
  });
  const user = (content) => [{ role: 'user', content }];

  it('lists models', async () => {
    const names = [];
    for await (const m of client.models.list()) names.push(m.id);
    for (const name of ['hello', 'hi', 'rescued']) assert.ok(names.includes(name), name);
    assert.equal((await client.models.retrieve('hello')).id, 'hello');
    // A slash in a name travels as %2F.
    assert.equal((await client.models.retrieve('red/mock-small')).id, 'red/mock-small');
    await assert.rejects(client.models.retrieve('nothing'), OpenAI.NotFoundError);
    await assert.rejects(async () => stranger.models.list(), OpenAI.AuthenticationError);
  });

  describe('chat', () => {
    const tools = [{ type: 'function', function: { name: 'get_weather', parameters: weatherSchema } }];

    for (const [model, want] of Object.entries(answers)) {
      it(`answers as ${model}`, async () => {
        const prompt = `chat ${model}`;
        const res = await client.chat.completions.create({ model, messages: user(prompt) });
        assert.equal(res.choices[0].message.content, want);
        assert.equal(res.choices[0].finish_reason, 'stop');
        assert.ok(res.usage.completion_tokens > 0);
        await assertNoTrace(plexus, prompt);
      });

      it(`streams as ${model}`, async () => {
        let usages = 0;
        const runner = client.chat.completions.stream({ model, messages: user('x') });
        runner.on('chunk', (chunk) => { if (chunk.usage) usages++; });
        assert.equal(await runner.finalContent(), want);
        // The gateway asks for the usage itself, but that is its own affair.
        assert.equal(usages, 0);

        const counted = client.chat.completions.stream({ model, messages: user('x'), stream_options: { include_usage: true } });
        assert.equal(await counted.finalContent(), want);
        assert.ok((await counted.totalUsage()).completion_tokens > 0);
      });
    }

    it('calls tools', async () => {
      const messages = user('What is the weather?');
      const streamed = await client.chat.completions.stream({ model: 'hello', messages, tools }).finalChatCompletion();
      const { choices: [{ message, finish_reason: reason }] } = await client.chat.completions.create({ model: 'hello', messages, tools });
      assert.equal(reason, 'tool_calls');
      for (const m of [message, streamed.choices[0].message]) {
        assert.equal(m.tool_calls.length, 1);
        assert.equal(m.tool_calls[0].function.name, 'get_weather');
        assert.deepEqual(JSON.parse(m.tool_calls[0].function.arguments), weatherArguments);
      }
      const result = { role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'Sunny.' };
      const res = await client.chat.completions.create({ model: 'hello', messages: [...messages, message, result], tools });
      assert.equal(res.choices[0].message.content, helloText);
    });

    it('runs tools by itself', async () => {
      let seen;
      const run = (args) => { seen = JSON.parse(args); return 'Sunny.'; };
      const runner = client.chat.completions.runTools({
        model: 'hello',
        stream: true,
        messages: user('What is the weather?'),
        tools: [{ type: 'function', function: { name: 'get_weather', parameters: weatherSchema, function: run } }],
      });
      assert.equal(await runner.finalContent(), helloText);
      assert.deepEqual(seen, weatherArguments);
    });

    it('shows its reasoning to those who know the member', async () => {
      const params = { model: 'hello', messages: user('x'), reasoning_effort: 'high' };
      const res = await client.chat.completions.create(params);
      assert.ok(res.choices[0].message.reasoning_content);
      assert.ok(res.usage.completion_tokens_details.reasoning_tokens > 0);
      let thoughts = '';
      for await (const chunk of await client.chat.completions.create({ ...params, stream: true })) {
        thoughts += chunk.choices[0]?.delta.reasoning_content ?? '';
      }
      assert.equal(thoughts, res.choices[0].message.reasoning_content);
    });

    for (const [model, type, status, code] of failures) {
      it(`tells why ${model} fails`, async () => {
        for (const stream of [false, true]) {
          const error = await client.chat.completions.create({ model, stream, messages: user('x') }).catch((e) => e);
          assert.ok(error instanceof type, String(error));
          assert.equal(error.status, status);
          assert.equal(error.code, code);
        }
      });
    }

    it('refuses a wrong key', () =>
      assert.rejects(stranger.chat.completions.create({ model: 'hello', messages: user('x') }), OpenAI.AuthenticationError));

    for (const model of broken) {
      it(`throws amid a stream that is ${model}`, async () => {
        let text = '';
        const error = await collect(client.chat.completions.create({ model, stream: true, messages: user('x') }),
          (chunk) => { text += chunk.choices[0]?.delta.content ?? ''; });
        assert.ok(error instanceof OpenAI.APIError, String(error));
        assert.ok(text && !text.endsWith('provider.'), text);
      });
    }

    for (const model of ['silent', 'endless']) {
      it(`lets the client leave a stream that is ${model}`, async () => {
        const prompt = `cancel chat stream ${model}`;
        const stream = await client.chat.completions.create({ model, stream: true, messages: user(prompt) });
        for await (const _ of stream) {
          stream.controller.abort();
        }
        await plexus.cancellation(prompt);
      });
    }

    it('lets the client leave an answer that never comes', async () => {
      const prompt = 'cancel chat unary', abort = new AbortController();
      const answer = client.chat.completions.create({ model: 'hanging', messages: user(prompt) }, { signal: abort.signal });
      const rejected = assert.rejects(answer, OpenAI.APIUserAbortError);
      await plexus.arrival(prompt);
      abort.abort();
      await plexus.cancellation(prompt);
      await rejected;
    });
  });

  describe('responses', () => {
    const tools = [{ type: 'function', name: 'get_weather', parameters: weatherSchema, strict: true }];

    for (const [model, want] of Object.entries(answers)) {
      it(`answers and streams as ${model}`, async () => {
        const prompt = `responses ${model}`;
        const res = await client.responses.create({ model, input: prompt });
        assert.equal(res.output_text, want);
        assert.equal(res.status, 'completed');
        assert.ok(res.usage.output_tokens > 0);
        await assertNoTrace(plexus, prompt);

        let text = '';
        const stream = client.responses.stream({ model, input: 'x' });
        stream.on('response.output_text.delta', (ev) => { text += ev.delta; });
        const final = await stream.finalResponse();
        assert.equal(text, want);
        assert.equal(final.output_text, want);
        assert.ok(final.usage.output_tokens > 0);
      });
    }

    it('calls tools', async () => {
      const input = user('What is the weather?');
      const streamed = await client.responses.stream({ model: 'hello', input, tools }).finalResponse();
      const res = await client.responses.create({ model: 'hello', input, tools });
      for (const { output: [call] } of [res, streamed]) {
        assert.equal(call.type, 'function_call');
        assert.equal(call.name, 'get_weather');
        assert.deepEqual(JSON.parse(call.arguments), weatherArguments);
      }
      const result = { type: 'function_call_output', call_id: res.output[0].call_id, output: 'Sunny.' };
      const next = await client.responses.create({ model: 'hello', input: [...input, ...res.output, result], tools });
      assert.equal(next.output_text, helloText);
    });

    it('shows its reasoning', async () => {
      const params = { model: 'hello', input: 'x', reasoning: { effort: 'high', summary: 'auto' } };
      const res = await client.responses.create(params);
      assert.equal(res.output[0].type, 'reasoning');
      const thoughts = res.output[0].summary[0].text;
      assert.ok(thoughts);
      const streamed = await client.responses.stream(params).finalResponse();
      assert.equal(streamed.output[0].summary[0].text, thoughts);
    });

    for (const [model, type, status, code] of failures) {
      it(`tells why ${model} fails`, async () => {
        for (const stream of [false, true]) {
          const error = await client.responses.create({ model, stream, input: 'x' }).catch((e) => e);
          assert.ok(error instanceof type, String(error));
          assert.equal(error.status, status);
          assert.equal(error.code, code);
        }
      });
    }

    for (const model of broken) {
      it(`throws amid a stream that is ${model}`, async () => {
        const seen = [];
        const error = await collect(client.responses.create({ model, stream: true, input: 'x' }), (ev) => seen.push(ev.type));
        assert.ok(error instanceof OpenAI.APIError, String(error));
        assert.ok(seen.includes('response.output_text.delta'));
        assert.ok(!seen.includes('response.completed'));
      });
    }

    it('lets the client leave', async () => {
      const prompt = 'cancel responses stream';
      const stream = await client.responses.create({ model: 'endless', stream: true, input: prompt });
      for await (const _ of stream) {
        stream.controller.abort();
      }
      await plexus.cancellation(prompt);
    });
  });

  it('embeds', async () => {
    const input = ['one two three', 'four'];
    const res = await client.embeddings.create({ model: 'hello', input });
    // The SDK asks for base64 unless told otherwise, and decodes it.
    assert.equal(JSON.parse((await plexus.received('one two three')).body).encoding_format, 'base64');
    assert.equal(res.data.length, 2);
    assert.equal(res.data[0].embedding.length, 8);
    const length = Math.hypot(...res.data[0].embedding);
    assert.ok(Math.abs(length - 1) < 1e-5, String(length));
    const floats = await client.embeddings.create({ model: 'rescued', input, encoding_format: 'float' });
    assert.deepEqual(floats.data[0].embedding.map(Math.fround), Array.from(res.data[0].embedding, Math.fround));
  });

  it('completes', async () => {
    const params = { model: 'hello', prompt: 'x' };
    assert.equal((await client.completions.create(params)).choices[0].text, helloText);
    let text = '';
    for await (const chunk of await client.completions.create({ ...params, stream: true })) text += chunk.choices[0].text;
    assert.equal(text, helloText);
  });

  it('moderates', async () => {
    const res = await client.moderations.create({ model: 'hello', input: 'this is a mock-flag' });
    assert.equal(res.results[0].flagged, true);
  });

  it('transcribes', async () => {
    // Bytes that look like a form's must come through as they are.
    const file = await toFile(Buffer.from('\xff\xfb\r\n--model\r\n\r\nnot the model\r\n', 'latin1'), 'speech.mp3');
    for (const model of ['hello', 'red/mock-small', 'rescued']) {
      const res = await client.audio.transcriptions.create({ model, file });
      assert.equal(res.text, answers[model]);
    }
    let text = '';
    for await (const ev of await client.audio.transcriptions.create({ model: 'hello', file, stream: true })) {
      if (ev.type === 'transcript.text.delta') text += ev.delta;
    }
    assert.equal(text, helloText);
    await assert.rejects(client.audio.transcriptions.create({ model: 'nothing', file }), OpenAI.NotFoundError);
    assert.equal((await client.audio.translations.create({ model: 'hello', file })).text, helloText);
  });

  it('speaks', async () => {
    const speak = (model) => client.audio.speech.create({ model, input: 'x', voice: 'alloy' });
    const res = await speak('hello');
    assert.equal(res.headers.get('content-type'), 'audio/mpeg');
    // The mock says 16 words, each a frame of 417 bytes.
    assert.equal((await res.arrayBuffer()).byteLength, 16 * 417);
    // Half of the audio must not look like all of it.
    await assert.rejects(async () => (await speak('cut')).arrayBuffer());
  });

  it('draws and edits', async () => {
    const drawn = await client.images.generate({ model: 'hello', prompt: 'a dot' });
    const image = await toFile(Buffer.from(drawn.data[0].b64_json, 'base64'), 'dot.png', { type: 'image/png' });
    for (const model of ['hello', 'blue/mock-small', 'rescued']) {
      const edited = await client.images.edit({ model, prompt: 'another dot', image });
      assert.equal(Buffer.from(edited.data[0].b64_json, 'base64').subarray(1, 4).toString(), 'PNG');
      assert.notEqual(edited.data[0].b64_json, drawn.data[0].b64_json);
    }
  });
});
