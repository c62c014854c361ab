/** Which questions are hot. */
import t from 'tap';
import { createHotQuestions, questionsMax } from '../../../src/cache/hot-questions.js';
import { seededRandom } from '../../support/random.js';

t.test(
  'the most asked come first, with what they were last asked with; the rarely asked do not',
  async (t) => {
    const hot = createHotQuestions<number>();
    const asks = { often: 10, sometimes: 5, rarely: 2 };
    for (const [key, count] of Object.entries(asks)) for (let i = 1; i <= count; i++) hot.note(key, i);
    t.strictSame(hot.hottest(), [
      { key: 'often', item: 10 },
      { key: 'sometimes', item: 5 },
    ]);
  },
);

t.test('what nobody asks any more is forgotten within minutes', async (t) => {
  const hot = createHotQuestions<number>();
  for (let i = 0; i < 1_000; i++) hot.note('a', i);
  for (let minute = 0; minute < 5; minute++) hot.fade();
  t.strictSame([hot.hottest(), hot.size], [[], 0]);
});

t.test('among any number of rare questions, places stay bounded and the hot ones are found', async (t) => {
  const hot = createHotQuestions<number>();
  const random = seededRandom(1);
  for (let i = 0; i < 50_000; i++) {
    const isHot = random() < 0.5;
    hot.note(isHot ? `hot ${Math.floor(random() * 20)}` : `rare ${i}`, i);
  }
  t.equal(hot.size, questionsMax);
  const keys = hot.hottest().map(({ key }) => key);
  t.equal(keys.filter((key) => key.startsWith('hot')).length, 20);
  t.strictSame(
    keys.filter((key) => key.startsWith('rare')),
    [],
    'an inherited count makes nothing hot',
  );
});
